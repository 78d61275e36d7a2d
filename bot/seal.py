"""The value of a button, and how far one person has read a call: sealed so that only Nod can make them. Pure.

    v1.<key>.<card>.<verb>.<digest>.<seal>     a button
    p1.<key>.<last page shown>.<pages>.<seal>  the pages of a call

A chat hands a value back as its user's client sent it, so the seal decides, never the rest. The seal of the
pages covers the card, the call's digest, the person's account and the very text that the pages are cut from,
none of which is in the value: it holds for exactly the person who was shown the pages.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.signing import derived_key, key_name
from bot.surface import Surface

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


_FORM = re.compile(r"p1\.([0-9a-f]{8})\.(0|[1-9][0-9]{0,6})\.([1-9][0-9]{0,6})\.([A-Za-z0-9_-]{32})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Pages counted from 0; every page up to `seen` was shown, in turn."""

    seen: int
    count: int

    @property
    def whole(self) -> bool:
        """The last one was shown too."""
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
        """What a surface keeps of the pages that it shows now. At most 70 characters, none of them special."""
        return f"p1.{self.seal.current}.{pages.seen}.{pages.count}.{self._mac(self.seal.current, pages)}"

    def opened(self, value: str) -> Pages | None:
        """The pages of this very text that this very person was shown; None for what Nod did not seal."""
        form = _FORM.fullmatch(value)
        if form is None:
            return None
        pages = Pages(seen=int(form[2]), count=int(form[3]))
        if pages.seen >= pages.count or not self.seal.same(self._mac(form[1], pages), form[4]):
            return None
        return pages

    def _mac(self, key: str, pages: Pages) -> str:
        text = hashlib.sha256(self.call.encode("utf-8", "surrogatepass")).hexdigest()
        of = (self.surface.value, self.account, self.card_id, self.digest, text)
        return self.seal.look(key, (*of, str(pages.seen), str(pages.count)))
