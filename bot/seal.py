"""The value that a button carries: which card, which verb, which call, and a seal that only Nod can make.

    v1.<key>.<card>.<verb>.<digest>.<seal>

A surface hands the value back as its user's client sent it, so the seal decides, never the rest. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

from bot.signing import derived_key, key_name

_VERSION = "v1"
_PURPOSE = b"nod button v1"
_LOOK_PURPOSE = b"nod look v1"
_SEAL_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a genuine value says."""

    card_id: str
    verb: str
    digest: str  #: of the call that stood over the button


class Seal:
    """Seals with the first key and opens with any: during a rotation the old one stays valid for a while."""

    def __init__(self, *secrets: str) -> None:
        """`secrets` is `NOD_SECRET`, the current one first. Raises ValueError without any."""
        if not secrets:
            raise ValueError("a seal needs a secret")
        keys = [derived_key(secret, purpose=_PURPOSE) for secret in secrets]
        names = [key_name(key) for key in keys]
        self._keys = dict(zip(names, keys, strict=True))
        looks = (derived_key(secret, purpose=_LOOK_PURPOSE) for secret in secrets)
        self._look_keys = dict(zip(names, looks, strict=True))
        self._current = names[0]

    def value(self, *, card_id: str, verb: str, digest: str) -> str:
        """The value of one button of one card. Not longer than 200 characters, none of them special."""
        text = f"{_VERSION}.{self._current}.{card_id}.{verb}.{digest}"
        return f"{text}.{_mac(self._keys[self._current], text)}"

    def open(self, value: str) -> Sealed | None:
        """What the value says; None unless one of our keys sealed exactly that."""
        text, _, seal = value.rpartition(".")
        parts = text.split(".")
        if len(parts) != 5 or parts[0] != _VERSION or not value.isascii():
            return None
        key = self._keys.get(parts[1])
        if key is None or not hmac.compare_digest(_mac(key, text).encode(), seal.encode()):
            return None
        return Sealed(card_id=parts[2], verb=parts[3], digest=parts[4])

    @property
    def current(self) -> str:
        """The name of the key that seals now."""
        return self._current

    def look(self, key: str, of: Sequence[str]) -> str:
        """The seal of what was looked at, under the key of this name; empty where no key has it.

        A key of its own: what opens a look never opens a button.
        """
        known = self._look_keys.get(key)
        return _mac(known, json.dumps(list(of))) if known else ""

    @staticmethod
    def same(seal: str, given: str) -> bool:
        """Whether both are one seal, compared in the same time wherever they differ; an empty one is none."""
        return bool(seal) and hmac.compare_digest(seal.encode(), given.encode())


def _mac(key: bytes, text: str) -> str:
    seal = hmac.digest(key, text.encode(), hashlib.sha256)[:_SEAL_BYTES]
    return base64.urlsafe_b64encode(seal).decode()
