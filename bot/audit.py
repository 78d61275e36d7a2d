"""The audit chain: each row is bound to the one before it, so no row can be changed or removed unnoticed.

    hash = SHA-256( previous hash | length | canonical row )

A chain alone does not show that its end was cut off. For that, a checkpoint (number, hash, signature) is kept
elsewhere. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.canonical import canonical
from bot.protocol import Json

#: The hash that the first row follows.
GENESIS = "0" * 64

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened, before it has a place in the chain."""

    kind: str  #: past tense, for example `voted`
    at: datetime
    approval_id: str | None = None
    body: Mapping[str, Json]  #: no readable arguments, no tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fact with its place in the chain."""

    number: int  #: from 1, without gaps
    at_ms: int  #: UTC, in milliseconds
    kind: str
    approval_id: str | None
    body: str  #: canonical JSON
    previous: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first row that is not valid, and why."""

    number: int
    why: str


def body_text(fact: Fact) -> str:
    """The body as its row has it. Raises NotCanonical if it is not plain JSON."""
    return canonical(dict(fact.body))


def chained(fact: Fact, *, number: int, previous: str, body: str | None = None) -> Row:
    """The row for a fact after the row with this hash; `body` is its `body_text`, where it is known already.

    Raises NotCanonical if the body is not plain JSON.
    """
    at_ms = (fact.at - _EPOCH) // timedelta(milliseconds=1)  # truncated, like a moment in a column
    body = body_text(fact) if body is None else body
    made = _hash(previous, number, at_ms, fact.kind, fact.approval_id, body)
    return Row(
        number=number,
        at_ms=at_ms,
        kind=fact.kind,
        approval_id=fact.approval_id,
        body=body,
        previous=previous,
        hash=made,
    )


def first_break(rows: Iterable[Row], *, after: Row | None = None) -> Break | None:
    """The first row that was edited, removed, inserted or moved; None when all are valid.

    `after` is a trusted row that the first of these follows; without it the rows start the chain.
    """
    number, previous = (after.number, after.hash) if after else (0, GENESIS)
    for row in rows:
        number += 1
        if row.number != number:
            return Break(number=number, why=f"the row in this place has the number {row.number}")
        if row.previous != previous:
            return Break(number=number, why="it does not follow the row before it")
        if row.hash != _hash(previous, number, row.at_ms, row.kind, row.approval_id, row.body):
            return Break(number=number, why="its content does not match its hash")
        previous = row.hash
    return None


def _hash(previous: str, number: int, at_ms: int, kind: str, approval_id: str | None, body: str) -> str:
    row = canonical([number, at_ms, kind, approval_id, body]).encode()
    return hashlib.sha256(bytes.fromhex(previous) + len(row).to_bytes(8, "big") + row).hexdigest()
