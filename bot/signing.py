"""Keys of one purpose each, derived from `NOD_SECRET`; signatures over rows that let an answer count. Pure.

Without `NOD_SECRET` nobody can make these signatures, so a row that was put in, edited or moved to another
request is no answer. A signature covers a list of plain values under the name of its kind: a vote can never
pass for a decision.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from enum import StrEnum

from bot.protocol import Json


def derived_key(secret: str, *, purpose: bytes) -> bytes:
    """32 bytes that tell nothing about the secret or about the keys of other purposes (RFC 5869, one block)."""
    extracted = hmac.digest(b"", secret.encode(), hashlib.sha256)
    return hmac.digest(extracted, purpose + b"\x01", hashlib.sha256)


def key_name(key: bytes) -> str:
    """A short name for a key that tells nothing about it."""
    return hashlib.sha256(b"nod key name" + key).hexdigest()[:8]


_PURPOSE = b"nod record v1"


class Kind(StrEnum):
    """What is signed. The words are part of the signatures."""

    CALL = "call"  #: what was asked, and when Nod first saw it
    TERMS = "terms"  #: by which route or rule it is answered, and whom rungs have let in
    VOTE = "vote"
    DECISION = "decision"


class Signing:
    """Signs with the first key and believes any: during a rotation the old one stays valid for a while."""

    def __init__(self, *secrets: str) -> None:
        """`secrets` is `NOD_SECRET`, the current one first. Raises ValueError without any."""
        if not secrets:
            raise ValueError("signing needs a secret")
        keys = [derived_key(secret, purpose=_PURPOSE) for secret in secrets]
        self._keys = {key_name(key): key for key in keys}
        self._current = key_name(keys[0])

    def sign(self, kind: Kind, values: Sequence[Json]) -> str:
        """`<key>.<HMAC-SHA-256>` over these values, in this order."""
        return f"{self._current}.{_mac(self._keys[self._current], kind, values)}"

    def holds(self, signature: object, kind: Kind, values: Sequence[Json]) -> bool:
        """Whether one of our keys signed exactly this. Takes any object: a column may hold anything."""
        if not isinstance(signature, str) or not signature.isascii():
            return False
        name, _, mac = signature.partition(".")
        key = self._keys.get(name)
        return key is not None and hmac.compare_digest(_mac(key, kind, values), mac)

    def knows(self, signature: object) -> bool:
        """Whether the signature names one of our keys; another one may be of a secret that was rotated out."""
        return isinstance(signature, str) and signature.partition(".")[0] in self._keys


def _mac(key: bytes, kind: Kind, values: Sequence[Json]) -> str:
    # Injective for plain values, and independent of the form of digests: ASCII JSON, as Python writes it.
    text = json.dumps([kind.value, *values], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hmac.digest(key, text, hashlib.sha256)).decode().rstrip("=")
