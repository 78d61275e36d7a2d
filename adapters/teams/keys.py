"""The keys with which Teams signs what it sends: from the OpenID document, kept, renewed without anybody
waiting longer than a click can.

bot-docs, bot-framework-rest-connector-authentication: keys may change at any time, and each lists in
`endorsements` the channels that it may sign for.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import structlog

from adapters.http import exchange
from bot.errors import Unavailable

#: Seconds between two lookups of an unknown key id: a sender who invents ids must not make us ask more often.
ONCE_IN = 60.0
#: Seconds after a reading that failed: then nothing was learned.
AGAIN = 5.0
#: Seconds after which keys are read again although none is missing; that drops withdrawn keys.
DAY = 24 * 3600.0
#: Seconds that one request waits for keys that are on their way: Teams waits five for an answer.
PATIENCE = 3.0
#: Keys in the document; the public one has about ten.
MOST_KEYS = 200
#: Bits of the shortest RSA key that is taken (NIST SP 800-131A).
SHORTEST_KEY = 2048

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One public key, and the channels that it may sign for."""

    public: Any  #: as `cryptography` has it
    endorsements: frozenset[str]


class KeyRing:
    """The keys in force. `key` waits only for an id that is not known, and never longer than PATIENCE."""

    def __init__(self, *, client: httpx.AsyncClient, openid_url: str, seconds: Callable[[], float]) -> None:
        """`seconds` is a clock that never goes back."""
        self._client, self._url, self._seconds = client, openid_url, seconds
        self._documents: dict[str, Mapping[str, Any]] = {}
        self._keys: dict[str, Key | None] = {}
        self._read_at: float | None = None
        self._missed_at: float | None = None  #: when an id that is not known last made us ask
        self._failed = False
        self._reading: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> Key | None:
        """The key with this id; None when the document has none such, or it cannot be read."""
        known = kid in self._documents
        if self._due(known=known):
            if not known and self._read_at is not None:
                self._missed_at = self._seconds()
            self._begin()
        if not known and self._reading is not None:
            # Requests with a known key do not come here, and the reading goes on if this one stops waiting.
            await asyncio.wait({self._reading}, timeout=PATIENCE)
        return self._made(kid)

    def begin(self) -> None:
        """Start to read the keys, so that the first click finds them."""
        if self._read_at is None:
            self._begin()

    async def close(self) -> None:
        """Stop a reading that is under way."""
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    def _due(self, *, known: bool) -> bool:
        if self._reading is not None and not self._reading.done():
            return False
        if known:
            return self._ago(self._read_at) >= DAY
        # The first id that is not known may be a rotation just after a start; the next ones have to wait.
        return self._ago(self._missed_at) >= (AGAIN if self._failed else ONCE_IN)

    def _ago(self, moment: float | None) -> float:
        return math.inf if moment is None else self._seconds() - moment

    def _begin(self) -> None:
        self._read_at = self._seconds()
        self._reading = asyncio.create_task(self._read(), name="teams_keys")

    async def _read(self) -> None:
        self._failed = True
        try:
            address = self._address(await self._json(self._url))
            listed = await self._json(address)
        except Unavailable as error:
            log.warning("teams_keys_not_read", reason=str(error))
            return
        keys = listed.get("keys")
        found = keys[:MOST_KEYS] if isinstance(keys, list) else []
        documents: dict[str, Mapping[str, Any]] = {
            key["kid"]: key for key in found if isinstance(key, dict) and isinstance(key.get("kid"), str)
        }
        if not documents:
            log.warning("teams_keys_not_read", reason="the key document has no usable key")
            return
        self._documents, self._keys, self._failed = documents, {}, False
        log.info("teams_keys_read", keys=len(documents))

    async def _json(self, url: str) -> Mapping[str, Any]:
        answer = await exchange(self._client, "GET", url)
        found = answer.json() if answer.status == 200 else None
        if not isinstance(found, dict):
            raise Unavailable(f"the answer ({answer.status}) is not a JSON object")
        return found

    def _address(self, document: Mapping[str, Any]) -> str:
        """Where the keys are: on the document's own host, or nowhere."""
        address = document.get("jwks_uri")
        if not isinstance(address, str) or urlsplit(address)[:2] != urlsplit(self._url)[:2]:
            raise Unavailable("the document gives no URL for the keys on its own host")
        return address

    def _made(self, kid: str) -> Key | None:
        """The key itself, made when it is first asked for."""
        document = self._documents.get(kid)
        if document is None:
            return None
        if kid not in self._keys:
            self._keys[kid] = _key_of(document)
        return self._keys[kid]


def _key_of(document: Mapping[str, Any]) -> Key | None:
    if document.get("kty") != "RSA":
        return None
    try:
        public = jwt.PyJWK.from_dict(dict(document), algorithm="RS256").key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if not public or getattr(public, "key_size", 0) < SHORTEST_KEY:
        return None
    endorsed = document.get("endorsements")
    names = endorsed if isinstance(endorsed, list) else []
    return Key(public=public, endorsements=frozenset(name for name in names if isinstance(name, str)))
