"""The ladder, read beside the approvals: what happens next while nobody answers, and whom it told in vain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from sqlalchemy import Executable, func, select
from sqlalchemy.engine import RowMapping

from adapters.store import tables
from adapters.store.columns import storable_text
from adapters.store.compare_and_set import chunks
from bot.approval import Approval, Outcome, Stage
from bot.ladder import Action, Ahead

_R = tables.rungs.c
#: Of these the others hear nothing.
_UNSAID = (Action.LAST_CALL, Action.REDRAW)


async def with_ahead(
    approvals: Sequence[Approval], fetch: Callable[[Executable], Awaitable[Sequence[RowMapping]]]
) -> tuple[Approval, ...]:
    """The approvals, each with what is ahead of it if it waits for people; a statement for many."""
    waiting = [one.id for one in approvals if one.stage is Stage.OPEN and one.rule is None]
    ahead: dict[str, Ahead] = {}
    for some in chunks(list(dict.fromkeys(waiting))):
        turn = func.row_number().over(partition_by=_R.approval_id, order_by=[_R.due_at, _R.number])
        unfired = _R.fired_at.is_(None), _R.action.not_in(_UNSAID), _R.approval_id.in_(some)
        lines = select(_R.approval_id, _R.number, turn.label("turn")).where(*unfired).subquery()
        first = (lines.c.approval_id == _R.approval_id) & (lines.c.number == _R.number) & (lines.c.turn == 1)
        for row in await fetch(select(tables.rungs).join(lines, first)):
            ahead[row[_R.approval_id]] = Ahead(action=row[_R.action], who=row[_R.who], at=row[_R.due_at])
    return tuple(_with(one, ahead.get(storable_text(one.id))) for one in approvals)


async def with_pinged(
    approvals: Sequence[Approval], fetch: Callable[[Executable], Awaitable[Sequence[RowMapping]]]
) -> tuple[Approval, ...]:
    """The approvals; those that nobody answered with whom their rungs had named, in the order of the rungs."""
    over = [one.id for one in approvals if one.outcome is Outcome.TIMEOUT_SKIP]
    pinged: defaultdict[str, list[str]] = defaultdict(list)
    for some in chunks(list(dict.fromkeys(over))):
        fired = _R.fired_at.is_not(None), _R.action.not_in(_UNSAID), _R.approval_id.in_(some)
        for row in await fetch(select(tables.rungs).where(*fired).order_by(_R.approval_id, _R.number)):
            pinged[row[_R.approval_id]].extend(row[_R.who])
    named = {approval_id: tuple(dict.fromkeys(names)) for approval_id, names in pinged.items()}
    return tuple(replace(one, pinged=named.get(storable_text(one.id), ())) for one in approvals)


def _with(approval: Approval, ahead: Ahead | None) -> Approval:
    waits = approval.stage is Stage.OPEN and approval.rule is None
    return replace(approval, ahead=ahead) if ahead and waits else approval
