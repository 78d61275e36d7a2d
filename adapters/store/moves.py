"""Compare-and-set on the record: how an approval moves from stage to stage, or changes within one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, Update, update

from adapters.store.tables import approvals
from bot.approval import STEPS, Approval, Stage

T = TypeVar("T")
#: Ids in one statement at most; SQLite's oldest limit on parameters is 999 (sqlite.org/limits.html, 9).
CHUNK = 500


def move(approval_id: str, was: Stage, then: Stage | None = None, *conditions: ColumnElement[bool]) -> Update:
    """The compare-and-set on one record; `then` is None for a change within a stage.

    Raises:
        ValueError: the life has no such step (`bot.approval.STEPS`).
    """
    matching = update(approvals).where(approvals.c.id == approval_id, approvals.c.stage == was, *conditions)
    if then is None:
        return matching
    if (was, then) not in STEPS:
        raise ValueError(f"no approval goes from {was} to {then}")
    return matching.values(stage=then)


def as_it_was(read: Approval) -> tuple[ColumnElement[bool], ...]:
    """It is still the call, and the attempt, that was read."""
    return approvals.c.digest == read.request.digest, approvals.c.attempts == read.attempts


def chunks(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    """The ids, or pairs of them, in their order, as many at a time as go into one statement."""
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
