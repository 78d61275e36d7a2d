"""The record in SQL: how it is read, answered by a rule or by nobody, delivered, and how it ends.

Each move is one compare-and-set statement, in one transaction with what belongs to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import moment, storable_text, value_in
from adapters.store.compare_and_set import Move, append, move
from adapters.store.database import rows_of
from adapters.store.decided import DecidedApprovals
from adapters.store.outbox import OWED, ends_pings, write_outbox
from adapters.store.placements import in_sight, lags
from adapters.store.polled import PolledApprovals
from adapters.store.proofs import locked_terms
from adapters.store.tables import UNTRIED
from adapters.store.votes import AnsweredApprovals
from adapters.store.whole import approvals_decided, decided
from bot.approval import STEPS, Approval, Outcome, Stage
from bot.audit import Fact
from bot.ladder import DeadlineSource
from bot.records import PORTION, Cursor, End, NotificationKind, OutboxItem, Unseen

_A, _D, _V = tables.approvals.c, tables.decisions.c, tables.votes.c
_P, _R, _T = tables.placements.c, tables.rungs.c, tables.notices.c
_OPEN = _A.stage == Stage.OPEN


class SqlApprovals(AnsweredApprovals, DecidedApprovals, PolledApprovals):
    """`bot.approvals.Approvals` over a database."""

    def of(self, source: str) -> SqlApprovals:
        """The same approvals, with the questions of this source."""
        return SqlApprovals(
            database=self._database, clock=self._clock, proofs=self._proofs, pagers=self._pagers, source=source
        )

    async def next_deadline(self, *, after: datetime) -> datetime | None:
        """None when there is none ahead."""
        first = select(func.min(_A.deadline)).where(self._mine, _A.stage == Stage.OPEN, _A.deadline > after)
        deadline: datetime | None = await self._database.value(first)
        return deadline

    async def ruled(self, *, most: int, without: Collection[str] = ()) -> tuple[Approval, ...]:
        """By the index on stage and rule."""
        return await self._urgent(_OPEN, _A.rule.is_not(None), most=most, without=without)

    async def expired(self, now: datetime, *, most: int, without: Collection[str] = ()) -> tuple[Approval, ...]:
        """Without deadlines that Nod made up: the platform's list says whether such a one waits."""
        told = _A.deadline_source != DeadlineSource.DEFAULT
        due = (_OPEN, self._mine, _A.deadline <= now, told)
        return await self._urgent(*due, most=most, without=without)

    async def vanished(
        self,
        now: datetime,
        *,
        believed_after: int,
        asked_after: int,
        by_word: bool,
        most: int,
        without: Collection[str] = (),
    ) -> tuple[Approval, ...]:
        """By an index that has only what polls miss."""
        called = _A.gone_at.is_not(None)
        idle = or_(called, _A.next_try.is_(None), _A.next_try <= now)
        gone = or_(_A.missed >= believed_after, called) if by_word else _A.missed >= believed_after
        unasked = or_(_A.asked == 0, _A.asked > _A.missed)
        slips = case((called, 1), else_=asked_after)
        found = or_(gone, and_(unasked, _A.missed >= slips))
        return await self._urgent(tables.MISSING, self._mine, idle, found, most=most, without=without)

    async def asked(self, missed: Mapping[str, int]) -> None:
        """No longer than they are missing."""
        some = [(storable_text(one), times) for one, times in missed.items()]
        noted = update(tables.approvals).where(tuple_(_A.id, _A.missed).in_(some)).values(asked=_A.missed)
        await self._database.update(Move.ASKED, noted)

    async def lost_since(self, then: datetime) -> int:
        """By the moment at which each was settled."""
        lost = select(func.count()).where(
            _A.outcome == Outcome.UNDELIVERABLE, _A.settled_at >= then, self._mine
        )
        return int(await self._database.value(lost))

    async def untold(self, *, most: int, without: Collection[str] = ()) -> tuple[Approval, ...]:
        """By an index that has only these."""
        return await self._urgent(tables.UNTOLD, most=most, without=without)

    async def closable(self, *, most: int) -> tuple[str, ...]:
        """Ids only, and none of those for which a `close` would be refused."""
        return tuple(row[_A.id] for row in await self._database.fetch(_CLOSABLE, {"most": most}))

    async def open_by_agent(self, *, at_least: int) -> Mapping[str, int]:
        """Counted in an index, without reading a call."""
        rows = await self._database.fetch(_BY_AGENT, {"at_least": at_least})
        return {row[_A.agent]: row["together"] for row in rows}

    async def open_by_route(self) -> Mapping[tuple[str, str], int]:
        """Counted without reading a call."""
        of, together = (_A.source, _A.route), func.count().label("together")
        asked = select(*of, together).where(_A.stage == Stage.OPEN, _A.rule.is_(None)).group_by(*of)
        rows = await self._database.fetch(asked)
        return {(row[_A.source], row[_A.route]): row["together"] for row in rows}

    async def waiting_elsewhere(self, sources: Collection[str], *, now: datetime) -> Mapping[str, int]:
        """Asked of the database only if there is one, so it costs nothing in a usual look."""
        if not self._proofs.waits_elsewhere(sources):
            return {}
        waits = (_A.stage.in_([Stage.OPEN, Stage.DECIDED]), _A.deadline > now, _A.source.not_in(sources))
        counted = select(_A.source, func.count().label("together")).where(*waits).group_by(_A.source)
        return {row[_A.source]: row["together"] for row in await self._database.fetch(counted)}

    async def unseen(
        self,
        now: datetime,
        *,
        share: float,
        within: timedelta | None = None,
        after: Cursor | None = None,
        most: int = PORTION,
    ) -> tuple[tuple[Unseen, ...], Cursor | None]:
        """Without a call. The share is counted in the database's whole milliseconds."""
        seen, whole = cast(_A.first_seen, BigInteger), cast(_A.deadline, BigInteger)
        gone = cast(moment(now), BigInteger) - seen
        late = gone * 1000 >= (whole - seen) * round(share * 1000)
        if within is not None:
            late = or_(late, and_(gone >= within // timedelta(milliseconds=1), ~_waits_its_turn()))
        some = _portion(after).limit(most).subquery()
        bare = select(_P.approval_id).where(tables.BARE).union(select(some.c.id)).subquery()
        statement = (
            select(_A.id, _A.route)
            .join_from(bare, tables.approvals, _A.id == bare.c[0])
            .where(_A.stage == Stage.OPEN, _A.rule.is_(None), late, ~in_sight())
            .order_by(_A.deadline, _A.id)
        )
        rows = await self._database.fetch(statement)
        found = tuple(value_in(row, Unseen, tables.approvals) for row in rows)
        return found, await self._next(after, most)

    async def portion(self, *, after: Cursor | None, most: int) -> tuple[tuple[Approval, ...], Cursor | None]:
        """Those of a rule are left out."""
        ids = _portion(after).limit(most).subquery()
        statement = approvals_decided().where(_A.id.in_(select(ids.c.id))).order_by(_A.deadline, _A.id)
        return await self._whole(statement, Stage.OPEN), await self._next(after, most)

    async def _next(self, after: Cursor | None, most: int) -> Cursor | None:
        """Where the portion after this one begins; None: at the first."""
        last = await self._database.fetch(_portion(after).offset(most - 1).limit(1))
        return (last[0][_A.deadline], last[0][_A.id]) if last else None

    async def told(self, notices: Mapping[str, Sequence[OutboxItem]]) -> frozenset[str]:
        """They are done with, also those with nobody to notify."""
        kept = {storable_text(one): one for one in notices}
        done = update(tables.approvals).where(_A.id.in_(kept), _A.stage == Stage.SETTLED, ~_A.told)

        async def work(connection: AsyncConnection) -> frozenset[str]:
            found = (await connection.execute(done.values(told=True).returning(_A.id))).scalars()
            told = [kept[one] for one in found]
            await write_outbox(connection, [notice for one in told for notice in notices[one]])
            return frozenset(told)

        return await self._database.write(Move.TOLD, work)

    async def ask_people(self, approval_id: str) -> bool:
        """Its card shows buttons from now on."""

        async def work(connection: AsyncConnection) -> bool:
            before = await locked_terms(connection, approval_id, self._proofs)
            if before is None:
                return False
            asked = replace(before, rule=None).columns(self._proofs)
            left = move(approval_id, Stage.OPEN).values(**asked, revision=_A.revision + 1)
            if not (await connection.execute(left)).rowcount:
                return False
            await append(connection, audit_events.asked_people(approval_id, at=self._clock()))
            return True

        return await self._database.write(Move.ASK_PEOPLE, work)

    async def settle(
        self,
        approval_id: str,
        *,
        was: Stage,
        outcome: Outcome,
        at: datetime,
        as_read: Approval | None = None,
        platform_word: str | None = None,
        trouble: str | None = None,
    ) -> bool:
        """What is not given stays as it was. Raises ValueError for a step that the life does not have."""
        end = End(
            approval_id=approval_id, was=was, outcome=outcome, at=at, as_read=as_read,
            platform_word=platform_word, trouble=trouble,
        )  # fmt: skip
        return bool(await self.settle_all([end]))

    async def settle_all(self, ends: Sequence[End]) -> frozenset[str]:
        """One transaction, and one statement for all that end alike."""
        alike: defaultdict[tuple[object, ...], list[End]] = defaultdict(list)
        for end in ends:
            if (end.was, Stage.SETTLED) not in STEPS:
                raise ValueError(f"an approval cannot go from {end.was} to {Stage.SETTLED}")
            read = None if end.as_read is None else end.as_read.missed
            alike[end.was, end.outcome, end.at, end.platform_word, end.trouble, read].append(end)

        async def work(connection: AsyncConnection) -> frozenset[str]:
            facts: list[Fact] = []
            settled: list[str] = []
            for group in alike.values():
                result = await connection.execute(_settled(group))
                found = {row[_A.id]: row[_A.trouble] for row in result.mappings()}
                for end in group:
                    if storable_text(end.approval_id) in found:
                        settled.append(end.approval_id)
                        facts.append(_ended(end, shown=found[storable_text(end.approval_id)]))
            if facts:
                await ends_pings(connection, *settled)
                await append(connection, *facts)
            return frozenset(settled)

        def ended(settled: frozenset[str] | None, _: Exception | None) -> None:
            for approval_id in settled or ():
                self._proofs.ends(approval_id)

        return await self._database.write(Move.SETTLE, work, ended=ended)

    async def close(self, *ids: str) -> frozenset[str]:
        """SETTLED -> CLOSED, each unless a card lags or someone has not heard how it ended."""
        kept = {storable_text(one): one for one in ids}

        async def work(connection: AsyncConnection) -> frozenset[str]:
            closing = update(tables.approvals).where(
                _A.id.in_(kept), _A.stage == Stage.SETTLED, *nothing_owed()
            )
            closed = closing.values(stage=Stage.CLOSED).returning(_A.id)
            some = list((await connection.execute(closed)).scalars())
            if not some:
                return frozenset()
            # A post that begins just now stays on the books, so that even a late card shows the end.
            seen_to = or_(_P.ref.is_not(None), _P.attempted_at.is_(None))
            struck = update(tables.placements).where(_P.approval_id.in_(some), seen_to, _P.owed)
            await connection.execute(struck.values(owed=False))
            # Else every look for what is due would pass by the rungs of all that was ever answered early.
            await connection.execute(
                delete(tables.rungs).where(_R.approval_id.in_(some), _R.fired_at.is_(None))
            )
            await append(connection, *await _closed(connection, some, at=self._clock()))
            return frozenset(kept[one] for one in some)

        return await self._database.write(Move.CLOSE, work)


def _settled(group: Sequence[End]) -> Update:
    """The compare-and-set on all of these, which end alike; returns their ids, and what was said about them."""
    end, ids = group[0], [storable_text(one.approval_id) for one in group]
    moved = update(tables.approvals).where(_A.id.in_(ids), _A.stage == end.was)
    if end.as_read is not None:
        read = [
            (
                storable_text(one.approval_id),
                one.as_read.request.digest,
                one.as_read.attempts,
                one.as_read.revision,
            )
            for one in group
            if one.as_read
        ]
        moved = moved.where(
            tuple_(_A.id, _A.digest, _A.attempts, _A.revision).in_(read), _A.missed >= end.as_read.missed
        )
    values: dict[str, Any] = {
        "stage": Stage.SETTLED, "outcome": end.outcome, "settled_at": end.at, "due_at": None,
    }  # fmt: skip
    if end.platform_word is not None:
        values["platform_word"] = end.platform_word
    if end.trouble is not None:
        values["trouble"] = end.trouble
    return moved.values(**values, revision=_A.revision + 1).returning(_A.id, _A.trouble)


def _ended(end: End, *, shown: str | None) -> Fact:
    return audit_events.settled(
        end.approval_id,
        outcome=end.outcome,
        word=end.platform_word,
        trouble=end.trouble,
        shown=shown,
        at=end.at,
    )


async def _closed(connection: AsyncConnection, ids: Sequence[str], *, at: datetime) -> list[Fact]:
    """What the audit keeps of these, so that it can be compared with the rows later."""
    ended = select(tables.approvals, _D.signature).select_from(decided(tables.approvals))
    records = await rows_of(connection, ended.where(_A.id.in_(ids)).order_by(_A.id))
    votes: defaultdict[str, dict[str, str | None]] = defaultdict(dict)
    given = select(_V.approval_id, _V.person, _V.signature).where(_V.approval_id.in_(ids))
    for row in await rows_of(connection, given):
        votes[row[_V.approval_id]][row[_V.person]] = row[_V.signature]
    return [
        audit_events.closed(
            record[_A.id],
            {column.name: record[column] for column in _A},
            decision=record[_D.signature],
            votes=votes[record[_A.id]],
            at=at,
        )
        for record in records
    ]


def nothing_owed() -> tuple[ColumnElement[bool], ...]:
    """Of a settled approval: no card lags, and everybody who is to hear of its end has heard."""
    card = exists().where(_P.approval_id == _A.id, lags()).correlate(tables.approvals)
    word = (
        exists()
        .where(_T.approval_id == _A.id, _T.news == NotificationKind.OUTCOME, OWED)
        .correlate(tables.approvals)
    )
    return _A.told, ~card, ~word


#: Asked at each round, so these are made once.
_CLOSABLE = (
    select(_A.id)
    .where(_A.stage == Stage.SETTLED, *nothing_owed())
    .order_by(_A.deadline, _A.id)
    .limit(bindparam("most", type_=Integer))
)
_TOGETHER = func.count().label("together")
_BY_AGENT = (
    select(_A.agent, _TOGETHER)
    .where(_OPEN, _A.rule.is_(None), _A.agent.is_not(None))
    .group_by(_A.agent)
    .having(bindparam("at_least") <= _TOGETHER)
)


def _portion(after: Cursor | None) -> Select[Any]:
    """Open approvals for people from there on, by an index."""
    some = select(_A.id, _A.deadline).where(_A.stage == Stage.OPEN, _A.rule.is_(None))
    if after is not None:
        some = some.where(tuple_(_A.deadline, _A.id) > tuple_(moment(after[0]), after[1]))
    return some.order_by(_A.deadline, _A.id)


def _waits_its_turn() -> ColumnElement[bool]:
    """Whether an approval has a card that nobody tried to post yet, in a channel where no other post fails."""
    head = tables.placements.alias()
    fails = select(head.c.card_id).where(
        head.c.surface == _P.surface,
        head.c.channel == _P.channel,
        head.c.owed,
        head.c.ref.is_(None),
        head.c.tries > 0,
    )
    mine = select(_P.card_id).where(_P.approval_id == _A.id, UNTRIED, _P.tries == 0)
    return exists(mine.where(~exists(fails)))
