"""What a poll is compared with, in SQL: asked for the few requests that differ, never for all that are open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from datetime import datetime

from sqlalchemy import and_, bindparam, case, exists, func, null, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.columns import columns_of, storable_text, value_in
from adapters.store.compare_and_set import Move, chunks
from adapters.store.database import Part, insert_new
from bot.approval import Outcome, Stage
from bot.ladder import DeadlineSource
from bot.protocol import key_of
from bot.records import Poll, Standing

_A, _D, _L = tables.approvals.c, tables.decisions.c, tables.polls.c

#: How a request ends that nobody answered in Nod.
REVERSIBLE = (Outcome.ELSEWHERE, Outcome.TIMEOUT_SKIP)
#: The platform should still list it.
_STANDING = (Stage.OPEN, Stage.DECIDED)

#: The columns of `Standing`; asked at each poll, so these are made once.
_COLUMNS = select(
    _A.id, _A.source, _A.request_id, _A.stage, _A.digest, _A.missed, _A.first_seen, _A.deadline, _A.attempts
)
_OF = _COLUMNS.where(_A.id.in_(bindparam("some", expanding=True)), _A.stage.in_(_STANDING))
_MINE = _A.source == bindparam("source")
_RAN_OUT = _COLUMNS.where(
    _MINE,
    _A.stage.in_(_STANDING),
    _A.deadline <= bindparam("now", type_=_A.deadline.type),
    _A.deadline_source == DeadlineSource.DEFAULT,
)
_AWAITING = _COLUMNS.where(tables.UNLISTED, _MINE).union_all(_RAN_OUT)


class StandingApprovals(Part):
    """What the records say of the requests in a list."""

    def waiting(self) -> Set[str]:
        """By what this process wrote, and at its start by the audit."""
        return self._proofs.waiting(self._source)

    def doubted(self) -> Set[str]:
        return self._proofs.doubted(self._source)

    async def standing(self, ids: Collection[str]) -> Mapping[str, Standing]:
        """Without the calls."""
        found: dict[str, Standing] = {}
        asked = {storable_text(one): one for one in ids}
        for some in chunks(list(asked)):
            rows = await self._database.fetch(_OF, {"some": some})
            found |= {asked[row[_A.id]]: self._standing_in(row) for row in rows}
        return found

    async def awaiting_poll(self, now: datetime) -> Mapping[str, Standing]:
        """Each by an index that has few others. Nothing is read while nothing waits."""
        if not self.waiting():
            return {}
        rows = await self._database.fetch(_AWAITING, {"now": now, "source": self._source})
        return {row[_A.id]: self._standing_in(row) for row in rows}

    def _standing_in(self, row: RowMapping) -> Standing:
        moved = row[_A.id] != key_of(row[_A.source], row[_A.request_id])
        return value_in(row, Standing, tables.approvals, forged=moved or self._proofs.doubts(row[_A.id]))

    async def last_poll(self) -> Poll | None:
        """By the source."""
        found = await self._database.fetch(select(tables.polls).where(_L.source == self._source))
        poll = value_in(found[0], Poll, tables.polls) if found else None
        held = poll and self._proofs.poll_holds(found[0][_L.signature], self._source, poll)
        return poll if held else None

    async def note_poll(self, poll: Poll) -> None:
        """One row for each source."""
        row = {**columns_of(poll, tables.polls), "signature": self._proofs.of_poll(self._source, poll)}

        async def work(connection: AsyncConnection) -> None:
            new = insert_new(connection, tables.polls).values(source=self._source, **row)
            await connection.execute(new.on_conflict_do_update(index_elements=[_L.source], set_=row))

        await self._database.write(Move.NOTE_POLL, work)

    async def untried(self) -> int:
        """By the index on stage and deadline, without a call."""
        mine = _A.source == self._source
        count = select(func.count()).where(_A.stage.in_(_STANDING), _A.attempts == 0, mine)
        return int(await self._database.value(count))

    async def recorded(self, ids: Sequence[str]) -> Mapping[str, datetime | None]:
        """Without the calls."""
        undecided = ~exists().where(_D.approval_id == _A.id).correlate(tables.approvals)
        first_seen = case((and_(_A.outcome.in_(REVERSIBLE), undecided), _A.first_seen), else_=null())
        found: dict[str, datetime | None] = {}
        for some in chunks(ids):
            wanted = select(_A.id, _A.stage, first_seen.label("first_seen")).where(_A.id.in_(some))
            for row in await self._database.fetch(wanted):
                found[row[_A.id]] = row["first_seen"]
                if row[_A.stage] in _STANDING and not self._proofs.waits(row[_A.id]):
                    self._proofs.doubt(row[_A.id], ("stage",))
        return {one: found[storable_text(one)] for one in ids if storable_text(one) in found}
