"""One secret of the corpus in its call, and what the secrets are made of."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice

from bot.protocol import Json

MIXED = "aZ3kQ9mX7vB2nL5tR8wY1cD4"
HEX = "0f9a3b7c2d8e6451"
#: What people choose, what generators give, what machines make.
CHOSEN, STRONG, TOKEN = "hunter" + "2", "Tr0ub4dor" + "&3x", "".join(islice(cycle(MIXED), 40))
LONG_HEX = "".join(islice(cycle(HEX), 64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Everyday:
    """A call and what must not be seen of it; nothing, when it only looks like a secret."""

    kind: str
    call: Json
    secret: str = ""
    approvable: bool = True  #: whether what is masked reads as a token, so that the call can be approved


def b64(text: str) -> str:
    """In base64."""
    return base64.b64encode(text.encode()).decode()


Calls = list[Everyday]


def each(secret: str, kinds: dict[str, Callable[[str], Json]], *, approvable: bool = True) -> Calls:
    """The same secret in a call of each kind."""
    return [
        Everyday(kind=kind, call=made(secret), secret=secret, approvable=approvable)
        for kind, made in kinds.items()
    ]


def named(names: str, secret: str, *, approvable: bool = True) -> Calls:
    """The same secret under each of these names."""
    return [
        Everyday(kind=f"key {name}", call={name: secret}, secret=secret, approvable=approvable)
        for name in names.split(", ")
    ]
