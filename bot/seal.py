"""Seals buttons and pages and signs rows, with keys derived from `NOD_SECRET` that only Nod has. Pure.

    v1.<key>.<card>.<verb>.<digest>.<seal>     a button
    p1.<key>.<last page shown>.<pages>.<seal>  the pages of a call
    <key>.<HMAC-SHA-256>                       a row that makes an answer valid

A chat returns a value as its user's client sent it, so only the seal is trusted. The seal of the
pages covers the card, the call's digest, the person's account and the very text that the pages are cut from,
none of which is in the value: it is valid only for the person who was shown the pages.

A row that was inserted, edited or moved to another request is not valid: its signature covers a list of plain
values under the name of its kind, so a vote can never pass for a decision.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bot.protocol import Json
from bot.surface import Surface


def derived_key(secret: str, *, purpose: bytes) -> bytes:
    """32 bytes that reveal nothing about the secret or the keys of other purposes (RFC 5869, one block)."""
    extracted = hmac.digest(b"", secret.encode(), hashlib.sha256)
    return hmac.digest(extracted, purpose + b"\x01", hashlib.sha256)


def key_name(key: bytes) -> str:
    """A short name for a key that reveals nothing about it."""
    return hashlib.sha256(b"nod key name" + key).hexdigest()[:8]


_RECORD_PURPOSE = b"nod record v1"


class Kind(StrEnum):
    """What is signed. The values are part of the signatures."""

    CALL = "call"  #: what was asked, and when Nod first saw it
    TERMS = "terms"  #: by which route or rule it is answered, and the approvers that steps have added
    VOTE = "vote"
    DECISION = "decision"
    POLL = "poll"  #: which list said what the records say


class Signing:
    """Signs with the first key and accepts any: during a rotation the old one stays valid for a while."""

    def __init__(self, *secrets: str) -> None:
        """`secrets` is `NOD_SECRET`, the current one first. Raises ValueError without any."""
        if not secrets:
            raise ValueError("signing needs a secret")
        keys = [derived_key(secret, purpose=_RECORD_PURPOSE) for secret in secrets]
        self._keys = {key_name(key): key for key in keys}
        self._current = key_name(keys[0])

    def sign(self, kind: Kind, values: Sequence[Json]) -> str:
        """`<key>.<HMAC-SHA-256>` over these values, in this order."""
        return f"{self._current}.{_record_mac(self._keys[self._current], kind, values)}"

    def holds(self, signature: object, kind: Kind, values: Sequence[Json]) -> bool:
        """Whether one of Nod's keys signed exactly this. Accepts any object: a column can contain anything."""
        if not isinstance(signature, str) or not signature.isascii():
            return False
        name, _, mac = signature.partition(".")
        key = self._keys.get(name)
        return key is not None and hmac.compare_digest(_record_mac(key, kind, values), mac)

    def knows(self, signature: object) -> bool:
        """Whether the signature names one of Nod's keys; another may be of a secret that was rotated out."""
        return isinstance(signature, str) and signature.partition(".")[0] in self._keys


def _record_mac(key: bytes, kind: Kind, values: Sequence[Json]) -> str:
    # Injective for plain values, and independent of the form of digests: ASCII JSON, as Python writes it.
    text = json.dumps([kind.value, *values], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hmac.digest(key, text, hashlib.sha256)).decode().rstrip("=")


_VERSION = "v1"
_BUTTON_PURPOSE = b"nod button v1"
_LOOK_PURPOSE = b"nod look v1"
_SEAL_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a genuine value says."""

    card_id: str
    verb: str
    digest: str  #: of the call above the button


class Seal:
    """Seals with the first key and opens with any: during a rotation the old one stays valid for a while."""

    def __init__(self, *secrets: str) -> None:
        """`secrets` is `NOD_SECRET`, the current one first. Raises ValueError without any."""
        if not secrets:
            raise ValueError("a seal needs a secret")
        keys = [derived_key(secret, purpose=_BUTTON_PURPOSE) for secret in secrets]
        names = [key_name(key) for key in keys]
        self._keys = dict(zip(names, keys, strict=True))
        looks = (derived_key(secret, purpose=_LOOK_PURPOSE) for secret in secrets)
        self._look_keys = dict(zip(names, looks, strict=True))
        self._current = names[0]

    def value(self, *, card_id: str, verb: str, digest: str) -> str:
        """The value of one button of one card: at most 200 characters, none of them special."""
        text = f"{_VERSION}.{self._current}.{card_id}.{verb}.{digest}"
        return f"{text}.{_mac(self._keys[self._current], text)}"

    def open(self, value: str) -> Sealed | None:
        """What the value says; None unless one of Nod's keys sealed exactly that."""
        text, _, seal = value.rpartition(".")
        parts = text.split(".")
        if len(parts) != 5 or parts[0] != _VERSION or not value.isascii():
            return None
        key = self._keys.get(parts[1])
        if key is None or not hmac.compare_digest(_mac(key, text).encode(), seal.encode()):
            return None
        return Sealed(card_id=parts[2], verb=parts[3], digest=parts[4])

    @staticmethod
    def claimed_verb(value: str) -> str:
        """The verb that a value names, sealed or not, for chats that do not say more about what was pressed.

        It proves nothing: `open` does.
        """
        parts = value.split(".")
        return parts[3] if len(parts) == 6 else ""

    @property
    def current(self) -> str:
        """The name of the key that seals now."""
        return self._current

    def look(self, key: str, of: Sequence[str]) -> str:
        """The seal of the pages that were shown, under the key of this name; empty if no key has it.

        It uses a separate key: what opens a look never opens a button.
        """
        known = self._look_keys.get(key)
        return _mac(known, json.dumps(list(of))) if known else ""

    @staticmethod
    def same(seal: str, given: str) -> bool:
        """Whether both are the same seal, compared in constant time; an empty one is not valid."""
        return bool(seal) and hmac.compare_digest(seal.encode(), given.encode())


def _mac(key: bytes, text: str) -> str:
    seal = hmac.digest(key, text.encode(), hashlib.sha256)[:_SEAL_BYTES]
    return base64.urlsafe_b64encode(seal).decode()


_FORM = re.compile(r"p1\.([0-9a-f]{8})\.(0|[1-9][0-9]{0,6})\.([1-9][0-9]{0,6})\.([A-Za-z0-9_-]{32})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Pages counted from 0; every page up to `seen` was shown, in turn."""

    seen: int
    count: int

    @property
    def whole(self) -> bool:
        """Whether the last page was shown too."""
        return self.seen == self.count - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One person's look at one call on one card, as the desk answered it to them."""

    seal: Seal = field(repr=False, compare=False)
    surface: Surface
    account: str
    card_id: str
    digest: str
    call: str = field(repr=False)  #: all of it as text

    def sealed(self, pages: Pages) -> str:
        """What a chat keeps of the pages that it shows now. At most 70 characters, none of them special."""
        return f"p1.{self.seal.current}.{pages.seen}.{pages.count}.{self._mac(self.seal.current, pages)}"

    def opened(self, value: str) -> Pages | None:
        """The pages of exactly this text that exactly this person was shown; None if Nod did not seal it."""
        form = _FORM.fullmatch(value)
        if form is None:
            return None
        pages = Pages(seen=int(form[2]), count=int(form[3]))
        if pages.seen >= pages.count or not self.seal.same(self._mac(form[1], pages), form[4]):
            return None
        return pages

    def _mac(self, key: str, pages: Pages) -> str:
        text = hashlib.sha256(self.call.encode("utf-8", "surrogatepass")).hexdigest()
        of = (str(self.surface), self.account, self.card_id, self.digest, text)
        return self.seal.look(key, (*of, str(pages.seen), str(pages.count)))
