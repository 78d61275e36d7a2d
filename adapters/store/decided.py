"""A decision on its way to the platform, in SQL: which are due, one attempt, and what it waits for.

`due_at` is set by the statement that moves the record, so there is no second truth. It is NULL while only a
list that confirms the call can let the decision be sent; the poll that does so sets it (`MAKE_DUE`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import moment, storable_text
from adapters.store.compare_and_set import Move, append, as_it_was, move
from adapters.store.database import rows_of
from adapters.store.whole import WholeApprovals, approvals_decided, whole_of
from bot.approval import Approval, Stage
from bot.ladder import DeadlineSource
from bot.protocol import HITLDecision
from bot.records import Outlook

_A, _D = tables.approvals.c, tables.decisions.c
_DECIDED = _A.stage == Stage.DECIDED


#: Nothing is put off for longer without a `next_try`.
FAR = timedelta(minutes=1)


class _Tampered(Exception):
    """These records were changed by hand after they were read."""

    def __init__(self, ids: Collection[str]) -> None:
        super().__init__()
        self.ids = ids


def ready() -> ColumnElement[bool]:
    """Whether a list that began late enough allows sending: after an Approve, and after a 404 or 409.

    By the decision in the database, which may be another one than was read.
    """
    heard = exists().where(
        _D.approval_id == _A.id, or_(_D.verdict != HITLDecision.APPROVED, _A.confirmed_at > _D.at)
    )
    return and_(heard.correlate(tables.approvals), or_(_A.gone_at.is_(None), _A.confirmed_at > _A.gone_at))


#: Every decision that waits for a list and has got it is due, once its lease or pause is over.
MAKE_DUE = (
    update(tables.approvals)
    .where(tables.UNLISTED, ready())
    .values(due_at=func.coalesce(_A.next_try, _A.first_seen))
)


def _contradicted() -> ColumnElement[bool]:
    """Called resolved, and listed by a poll that began afterwards; or sent again since."""
    listed = or_(_A.gone_at.is_(None), _A.confirmed_at > _A.gone_at)
    return or_(_A.gones > 1, and_(_A.gones == 1, listed))


def _over(column: ColumnElement[Any], now: datetime | BindParameter[Any]) -> ColumnElement[bool]:
    return or_(column.is_(None), column <= now)


def _outlook() -> Select[Any]:
    """The columns of `Outlook`, in one row."""
    now, late = (bindparam(name, type_=_A.due_at.type) for name in ("now", "late"))
    mine = _A.source == bindparam("source")
    ahead = select(func.min(_A.due_at)).where(mine, _DECIDED, _A.due_at > now)
    turn = select(func.min(_A.next_try)).where(mine, tables.UNLISTED, _A.next_try > now)
    over = select(_A.id).where(mine, _DECIDED, _A.deadline <= late)
    deadlines = select(func.min(_A.deadline)).where(mine, _DECIDED, _A.deadline > late)
    unlisted = select(_A.id).where(mine, tables.UNLISTED, _over(_A.next_try, now))
    troubled = select(func.count()).where(
        mine, tables.IN_TROUBLE, or_(_A.trouble.is_not(None), _contradicted())
    )
    return select(
        exists(select(_A.id).where(mine, _DECIDED, _A.due_at <= now)).label("due"),
        ahead.scalar_subquery().label("next_due"),
        turn.scalar_subquery().label("next_turn"),
        exists(over.where(_A.deadline_source != DeadlineSource.DEFAULT)).label("overdue"),
        exists(over.where(_A.deadline_source == DeadlineSource.DEFAULT)).label("lapsed"),
        deadlines.scalar_subquery().label("next_deadline"),
        exists(unlisted).label("unlisted"),
        troubled.scalar_subquery().label("late"),
        exists(select(_A.id).where(mine, tables.IN_TROUBLE, _contradicted())).label("contradicted"),
    )


#: Asked at each round, so it is made once.
_OUTLOOK = _outlook()


class DecidedApprovals(WholeApprovals):
    """What `deliver` asks, and does."""

    async def outlook(self, now: datetime, *, late: datetime) -> Outlook:
        """One statement; each of its parts looks into an index."""
        rows = await self._database.fetch(_OUTLOOK, {"now": now, "late": late, "source": self._source})
        return Outlook(**dict(rows[0]))

    async def deliverable(
        self,
        now: datetime,
        *,
        after: datetime,
        most: int,
        tried: bool | None = None,
        by: datetime | None = None,
        without: Collection[str] = (),
    ) -> tuple[Approval, ...]:
        """By the index on `due_at`."""
        due: list[ColumnElement[bool]] = [self._mine, _DECIDED, _A.due_at <= now, _A.deadline > after]
        if tried is not None:
            due.append(_A.attempts > 0 if tried else _A.attempts == 0)
        if by is not None:
            due.append(_A.deadline <= by)
        return await self._urgent(*due, most=most, without=without)

    async def overdue(
        self, now: datetime, *, by: datetime, most: int, without: Collection[str] = ()
    ) -> tuple[Approval, ...]:
        """Without those whose deadline Nod made up: the platform's list says whether they wait."""
        free = (_over(_A.next_try, now), _over(_A.due_at, now))
        told = _A.deadline_source != DeadlineSource.DEFAULT
        late = (self._mine, _DECIDED, _A.deadline <= by, told, *free)
        return await self._urgent(*late, most=most, without=without)

    async def first_late(self) -> Approval | None:
        """The one with the earliest deadline."""
        late = or_(_A.trouble.is_not(None), _contradicted())
        found = await self._urgent(self._mine, tables.IN_TROUBLE, late, most=1)
        return found[0] if found else None

    async def begin_delivery(
        self, as_read: Sequence[Approval], *, now: datetime, until: datetime
    ) -> tuple[Approval, ...]:
        """One transaction for all. A record that was changed by hand stays out."""
        left = {storable_text(approval.id): approval for approval in as_read}

        def ended(begun: Sequence[Approval] | None, _: Exception | None) -> None:
            for approval in begun or ():
                self._proofs.used(approval.id)

        while left:
            try:
                work = partial(self._begin, list(left.values()), now, until)
                return await self._database.write(Move.BEGIN_DELIVERY, work, ended=ended)
            except _Tampered as error:
                left = {kept: approval for kept, approval in left.items() if kept not in error.ids}
        return ()

    async def _begin(
        self, as_read: Sequence[Approval], now: datetime, until: datetime, connection: AsyncConnection
    ) -> tuple[Approval, ...]:
        read = [(storable_text(one.id), one.request.digest, one.attempts) for one in as_read]
        its_turn, in_time = _over(_A.next_try, now), _A.deadline > now
        # The listing that confirmed this POST confirms no other: a later one waits for another.
        without_list = exists().where(_D.approval_id == _A.id, _D.verdict != HITLDecision.APPROVED)
        counted = (
            update(tables.approvals)
            .where(_DECIDED, tuple_(_A.id, _A.digest, _A.attempts).in_(read), its_turn, in_time, ready())
            .values(
                attempts=_A.attempts + 1,
                next_try=until,
                due_at=case((without_list.correlate(tables.approvals), moment(until)), else_=None),
                confirmed_at=None,
                gone_at=None,
            )
            .returning(_A.id)
        )
        taken = set((await connection.execute(counted)).scalars())
        if not taken:
            return ()
        fetch = partial(rows_of, connection)
        rows = await fetch(approvals_decided().where(_A.id.in_(taken)).order_by(_A.deadline, _A.id))
        approvals = await whole_of(rows, fetch, self._proofs)
        bad = {storable_text(one.id) for one in approvals if one.forged or not self._is_listed(one)}
        if bad:
            raise _Tampered(bad)  # rolls back: no attempt is counted
        facts = [audit_events.delivery_begun(one.id, attempt=one.attempts, at=now) for one in approvals]
        await append(connection, *facts)
        return approvals

    def _is_listed(self, approval: Approval) -> bool:
        """Whether this process saw the platform list the call after an Approve; no row is believed in that."""
        decision = approval.decision
        if decision is None or decision.verdict is not HITLDecision.APPROVED:
            return True
        seen = self._proofs.listed_at(approval.id, digest=approval.request.digest)
        return seen is not None and seen > decision.at

    async def resume(self) -> None:
        """Whether a list confirmed it, the row tells as far as a row can; what is sent is judged again."""
        decided = update(tables.approvals).where(_DECIDED)

        async def work(connection: AsyncConnection) -> bool:
            again = decided.where(_A.next_try.is_not(None)).values(next_try=None)
            found = (await connection.execute(again)).rowcount
            due = case((ready(), _A.first_seen), else_=None)
            return bool((await connection.execute(decided.values(due_at=due))).rowcount or found)

        await self._database.write(Move.RESUME, work)

    async def put_off(self, ids: Sequence[str], *, until: datetime | None) -> None:
        """Nothing else changes, so nobody is told."""
        kept = [storable_text(one) for one in ids]
        later = update(tables.approvals).where(_DECIDED, _A.id.in_(kept)).values(due_at=until)
        await self._database.update(Move.PUT_OFF, later)

    async def repair_due(self, now: datetime) -> bool:
        """What is put off on purpose is so for a moment only, or as long as its `next_try` says."""
        far = _A.due_at > now + FAR, _over(_A.next_try, now), ready()

        async def work(connection: AsyncConnection) -> bool:
            lost = (await connection.execute(MAKE_DUE)).rowcount
            late = update(tables.approvals).where(_DECIDED, *far).values(due_at=now)
            return bool((await connection.execute(late)).rowcount or lost)

        return await self._database.write(Move.REPAIR_DUE, work)

    async def hold(self, now: datetime, *, trouble: str, most: int) -> int:
        """One statement."""
        told = storable_text(trouble)
        some = select(_A.id).where(self._mine, _DECIDED, _A.due_at <= now, _A.trouble.is_distinct_from(told))
        return await self._troubled(some.limit(most), told)

    async def unread(self, *, begun_by: datetime, trouble: str, most: int) -> int:
        """Of each from the decision on, or from when its last pause ended."""
        told, since = storable_text(trouble), func.coalesce(_A.next_try, _D.at)
        some = self._waits_untold(select(_A.id)).where(since <= moment(begun_by)).limit(most)
        return await self._troubled(some, told)

    async def unread_since(self) -> datetime | None:
        """The earliest of them."""
        since = func.min(func.coalesce(_A.next_try, _D.at))
        found: datetime | None = await self._database.value(self._waits_untold(select(since)))
        return found

    def _waits_untold(self, wanted: Select[Any]) -> Select[Any]:
        whole = tables.approvals.join(tables.decisions, _D.approval_id == _A.id)
        return wanted.select_from(whole).where(self._mine, tables.UNLISTED, _A.trouble.is_(None))

    async def _troubled(self, some: Select[Any], trouble: str) -> int:
        changed = update(tables.approvals).where(_A.id.in_(some.scalar_subquery()), _DECIDED)
        changed = changed.values(trouble=trouble, revision=_A.revision + 1)

        async def work(connection: AsyncConnection) -> int:
            return (await connection.execute(changed)).rowcount

        return await self._database.write(Move.POSTPONE_DELIVERY, work)

    async def called_resolved(
        self, approval_id: str, *, as_read: Approval, at: datetime, next_try: datetime
    ) -> bool:
        """What polls missed of it before does not count."""
        gone = move(approval_id, Stage.DECIDED, None, *as_it_was(as_read)).values(
            gone_at=at, gones=_A.gones + 1, missed=0, asked=0, confirmed_at=None, next_try=next_try, due_at=None
        )
        return await self._database.update(
            Move.CALLED_RESOLVED,
            gone,
            audit_events.called_resolved(approval_id, attempt=as_read.attempts, at=at),
        )

    async def postpone(self, approval_id: str, *, next_try: datetime, trouble: str | None) -> None:
        """Later; the revision is raised when what is said about it changes."""
        told = None if trouble is None else storable_text(trouble)
        visible = case((_A.trouble.is_distinct_from(told), 1), else_=0)
        later = move(approval_id, Stage.DECIDED).values(
            next_try=next_try,
            due_at=case((ready(), moment(next_try)), else_=None),
            trouble=told,
            revision=_A.revision + visible,
        )
        await self._database.update(Move.POSTPONE_DELIVERY, later)
