"""The record as it is read, in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, cast, exists, func, or_, select

from adapters.store import tables
from adapters.store.closing import nothing_owed
from adapters.store.columns import moment, storable_text
from adapters.store.compare_and_set import chunks
from adapters.store.database import Database, paced
from adapters.store.lacking import in_sight
from adapters.store.proofs import Proofs
from adapters.store.queue_messages import UNTRIED
from adapters.store.rows import approvals_decided
from adapters.store.whole import whole_of
from bot.approval import Approval, Outcome, Stage
from bot.records import Standing

_A, _P = tables.approvals.c, tables.placements.c


class ReadApprovals:
    """The reading half of `bot.approvals.Approvals`. Every method raises Unavailable when it is in trouble."""

    def __init__(self, *, database: Database, proofs: Proofs) -> None:
        self._database, self._proofs = database, proofs

    async def get(self, approval_id: str) -> Approval | None:
        """The approval with its decision and votes; None for an unknown id."""
        found = await self._whole(approvals_decided().where(_A.id == approval_id))
        return found[0] if found else None

    async def at(
        self, *stages: Stage, due_by: datetime | None = None, missed: int = 0, by_rule: bool = False
    ) -> tuple[Approval, ...]:
        """A few statements for all of them, earliest deadline first."""
        statement = approvals_decided().where(_A.stage.in_(stages)).order_by(_A.deadline, _A.id)
        if due_by is not None:
            statement = statement.where(_A.deadline <= due_by)
        if missed:
            statement = statement.where(_A.missed >= missed)
        if by_rule:
            statement = statement.where(_A.rule.is_not(None))
        return await self._whole(statement, *stages)

    async def next_deadline(self, *, after: datetime) -> datetime | None:
        first = func.min(_A.deadline).label("first")
        ahead = select(first).where(_A.stage == Stage.OPEN, _A.deadline > after)
        deadline: datetime | None = (await self._database.fetch(ahead))[0]["first"]
        return deadline

    async def standing(self) -> Mapping[str, Standing]:
        wanted = select(_A.id, _A.stage, _A.digest, _A.missed, _A.first_seen, _A.deadline, _A.attempts)
        rows = await self._database.fetch(wanted.where(_A.stage.in_((Stage.OPEN, Stage.DECIDED))))
        return {
            row[_A.id]: Standing(
                stage=row[_A.stage],
                digest=row[_A.digest],
                missed=row[_A.missed],
                first_seen=row[_A.first_seen],
                deadline=row[_A.deadline],
                attempts=row[_A.attempts],
                forged=self._proofs.doubts(row[_A.id]),
            )
            async for row in paced(rows)
        }

    async def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Which of these ids have a record."""
        found: set[str] = set()
        for some in chunks(ids):
            rows = await self._database.fetch(select(_A.id).where(_A.id.in_(some)))
            found.update(row[_A.id] for row in rows)
        return frozenset(one for one in ids if storable_text(one) in found)

    async def lost_since(self, then: datetime) -> int:
        """By the moment at which each was settled."""
        lost = select(func.count().label("number")).where(
            _A.outcome == Outcome.UNDELIVERABLE, _A.settled_at >= then
        )
        return int((await self._database.fetch(lost))[0]["number"])

    async def untold(self) -> tuple[Approval, ...]:
        """Earliest deadline first."""
        owing = approvals_decided().where(_A.stage == Stage.SETTLED, ~_A.told).order_by(_A.deadline, _A.id)
        return await self._whole(owing, Stage.SETTLED)

    async def closable(self) -> tuple[str, ...]:
        """Ids only, and none of those for which a `close` would be refused."""
        done = select(_A.id).where(_A.stage == Stage.SETTLED, *nothing_owed()).order_by(_A.deadline, _A.id)
        return tuple(row[_A.id] for row in await self._database.fetch(done))

    async def open_by_agent(self, *, at_least: int) -> Mapping[str, int]:
        """Counted in an index, without reading a call."""
        together = func.count().label("together")
        statement = (
            select(_A.agent, together)
            .where(_A.stage == Stage.OPEN, _A.rule.is_(None), _A.agent.is_not(None))
            .group_by(_A.agent)
            .having(together >= at_least)
        )
        return {row[_A.agent]: row["together"] for row in await self._database.fetch(statement)}

    async def open_by_route(self) -> Mapping[str, int]:
        """Counted without reading a call."""
        together = func.count().label("together")
        asked = select(_A.route, together).where(_A.stage == Stage.OPEN, _A.rule.is_(None)).group_by(_A.route)
        return {row[_A.route]: row["together"] for row in await self._database.fetch(asked)}

    async def unseen(
        self, now: datetime, *, share: float, within: timedelta | None = None
    ) -> tuple[Approval, ...]:
        """Earliest deadline first; the share is counted in the database's whole milliseconds."""
        seen, whole = cast(_A.first_seen, BigInteger), cast(_A.deadline, BigInteger)
        gone = cast(moment(now), BigInteger) - seen
        late = gone * 1000 >= (whole - seen) * round(share * 1000)
        if within is not None:
            late = or_(late, and_(gone >= within // timedelta(milliseconds=1), ~_waits_its_turn()))
        statement = (
            approvals_decided()
            .where(_A.stage == Stage.OPEN, _A.rule.is_(None), late, ~in_sight())
            .order_by(_A.deadline, _A.id)
        )
        return await self._whole(statement, Stage.OPEN)

    async def _whole(self, statement: Select[Any], *stages: Stage) -> tuple[Approval, ...]:
        """The approvals that the statement finds; without those that have left these stages meanwhile."""
        found = await whole_of(await self._database.fetch(statement), self._database.fetch, self._proofs)
        return tuple(approval for approval in found if not stages or approval.stage in stages)


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
    mine = select(_P.card_id).where(_P.approval_id == _A.id, *UNTRIED, _P.tries == 0, ~_P.superseded)
    return exists(mine.where(~exists(fails)))
