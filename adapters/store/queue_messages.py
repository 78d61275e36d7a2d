"""The messages that stand for many requests, in SQL, and which requests are on them."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, bindparam, func, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import moment, value_in
from adapters.store.compare_and_set import Move, append, chunks
from adapters.store.database import Part, insert_new, rows_of
from adapters.store.tables import GATHERED, UNTRIED
from adapters.store.whole import approvals_decided, whole_of
from bot.approval import Approval
from bot.records import Batched, Line, QueueMessage, Up, Waiting
from bot.surface import Destination

_A, _P, _G, _V = tables.approvals.c, tables.placements.c, tables.digests.c, tables.votes.c

#: Placements with their approvals and the digests of their channels.
_ON = tables.placements.join(tables.approvals).join(
    tables.digests, (_G.surface == _P.surface) & (_G.channel == _P.channel)
)
_EARLIEST_FIRST = (_P.deadline, _P.approval_id, _P.card_id)
#: What `_waiting_of` reads.
_WAITING = (_P.card_id, _A.id, _A.agent, _A.first_seen, _A.deadline, _P.up_by)
#: A digest's message that tells of nothing, in the flow's word for it.
EMPTY = "empty"


def _lines() -> Select[Any]:
    """Of each place where cards wait in line: how many, and which is the first."""
    of = (_P.surface, _P.channel)
    unmet = (func.count() - func.count(_P.up_by)).label("unmet")
    up_by = func.min(_P.up_by, type_=_P.up_by.type).label("up_by")
    first = func.min(_P.deadline, type_=_P.deadline.type).label("deadline")
    return select(*of, func.count().label("count"), unmet, up_by, first).where(UNTRIED).group_by(*of)


#: Asked at each round, so it is made once.
_LINES = _lines()


class SqlQueueMessages(Part):
    """`bot.store.QueueMessages` over a database."""

    async def lines(self) -> Mapping[Destination, Line]:
        """Counted in their index; a row for each place."""
        return {
            value_in(row, Destination, tables.placements): Line(
                count=row["count"], unmet=row["unmet"], up_by=row["up_by"], deadline=row["deadline"]
            )
            for row in await self._database.fetch(_LINES)
        }

    async def unmet(self, *, most: int) -> tuple[Waiting, ...]:
        """In any order."""
        some = (
            select(*_WAITING).join_from(tables.placements, tables.approvals).where(UNTRIED, _P.up_by.is_(None))
        )
        return tuple(_waiting_of(row) for row in await self._database.fetch(some.limit(most)))

    async def meet(self, up_by: Mapping[str, datetime]) -> None:
        """Only of those of which it is still not known."""
        met = update(tables.placements).where(_P.card_id == bindparam("of"), _P.up_by.is_(None))
        rows = [{"of": card_id, "by": by} for card_id, by in sorted(up_by.items())]

        async def work(connection: AsyncConnection) -> bool:
            await connection.execute(met.values(up_by=bindparam("by")), rows)
            return True

        await self._database.write(Move.MEET, work)

    async def waiting(self, where: Destination) -> tuple[Waiting, ...]:
        """Without the calls: only their times and agents are looked at."""
        line = select(*_WAITING).join_from(tables.placements, tables.approvals).where(UNTRIED, *_in(where))
        return tuple(_waiting_of(row) for row in await self._database.fetch(line.order_by(*_EARLIEST_FIRST)))

    async def batch(self, card_ids: Sequence[str]) -> int:
        """In one transaction, with a row of the audit for each channel."""

        async def work(connection: AsyncConnection) -> int:
            taken: defaultdict[Destination, list[str]] = defaultdict(list)
            now = self._clock()
            for some in chunks(card_ids):
                untried = update(tables.placements).where(_P.card_id.in_(some), UNTRIED)
                gathered = untried.values(gathered=True, gathered_at=now)
                whose = gathered.returning(_P.surface, _P.channel, _P.card_id)
                for row in await rows_of(connection, whose):
                    taken[value_in(row, Destination, tables.placements)].append(row[_P.card_id])
            told = []
            for destination, cards in sorted(taken.items()):
                digest_id = await _digest_at(connection, destination)
                told.append(
                    audit_events.gathered(
                        destination=destination, digest_id=digest_id, cards=sorted(cards), at=now
                    )
                )
            if told:
                await append(connection, *told)
            return sum(len(cards) for cards in taken.values())

        return await self._database.write(Move.BATCH, work) if card_ids else 0

    async def earliest(self, digest_id: str, *, without: Collection[str] = ()) -> Waiting | None:
        """One row, and no call is read."""
        others = func.coalesce(_A.agent, "").not_in(tuple(without))
        first = select(*_WAITING).select_from(_ON).where(_G.digest_id == digest_id, GATHERED, others)
        rows = await self._database.fetch(first.order_by(*_EARLIEST_FIRST).limit(1))
        return _waiting_of(rows[0]) if rows else None

    async def release(self, card_id: str, *, up_by: datetime) -> bool:
        """It is as if it had never been gathered; the audit tells when its card went up."""
        mine = (_P.card_id == card_id, _P.gathered, _P.ref.is_(None), _P.attempted_at.is_(None))
        free = update(tables.placements).where(*mine).values(gathered=False, gathered_at=None, up_by=up_by)
        return await self._database.update(Move.RELEASE, free)

    async def standing(self, *, lines: int, quiet: bool = False) -> tuple[QueueMessage, ...]:
        """Two statements for all channels, and one for each that has lines to read."""
        found = await self._found(select(tables.digests).order_by(_G.surface, _G.channel), lines=lines)
        return tuple(digest for digest in found if quiet or digest.count or _still_says(digest))

    async def get(self, digest_id: str, *, lines: int = 1, agents: Collection[str] = ()) -> QueueMessage | None:
        """None for an unknown one."""
        mine = select(tables.digests).where(_G.digest_id == digest_id)
        found = await self._found(mine, lines=lines, agents=agents)
        return found[0] if found else None

    async def on(self, digest_id: str) -> tuple[Batched, ...]:
        """Two statements, and none of the calls is read: there may be thousands."""
        here = (_G.digest_id == digest_id, GATHERED)
        on_these = _ON.join(tables.votes, (_V.approval_id == _A.id) & (_V.digest == _A.digest))
        voters: defaultdict[str, set[str]] = defaultdict(set)
        for row in await self._database.fetch(
            select(_V.approval_id, _V.person).select_from(on_these).where(*here)
        ):
            voters[row[_V.approval_id]].add(row[_V.person])
        standing = select(_P.card_id, _A.id, _A.route, _A.deadline, _A.widened).select_from(_ON).where(*here)
        return tuple(
            value_in(
                row,
                Batched,
                tables.approvals,
                card_id=row[_P.card_id],
                approval_id=row[_A.id],
                voters=frozenset(voters[row[_A.id]]),
            )
            for row in await self._database.fetch(standing.order_by(*_EARLIEST_FIRST))
        )

    async def attempt(self, digest_id: str, *, at: datetime) -> None:
        """Of several tries the first one's time stays: a search for the message has to reach back to it."""
        begun = _change(digest_id).values(attempted_at=func.coalesce(_G.attempted_at, moment(at)))
        await self._database.update(Move.ATTEMPT_DIGEST, begun)

    async def shown(self, digest_id: str, *, ref: str, shown: str | None, at: datetime) -> None:
        """What it says now; failures before it are forgotten. A new message has its row of the audit."""
        up = _change(digest_id).values(ref=ref, shown=shown, shown_at=at, tries=0, next_try=None)

        async def work(connection: AsyncConnection) -> bool:
            was = select(_G.surface, _G.channel, _G.ref).where(_G.digest_id == digest_id).with_for_update()
            row = (await connection.execute(was)).mappings().first()
            if row is None:
                return False
            await connection.execute(up)
            if row[_G.ref] != ref:
                where = value_in(row, Destination, tables.digests)
                told = audit_events.digest_shown(destination=where, digest_id=digest_id, ref=ref, at=at)
                await append(connection, told)
            return True

        await self._database.write(Move.SHOW_DIGEST, work)

    async def postpone(self, digest_id: str, *, next_try: datetime) -> None:
        """One more failed try in a row."""
        later = _change(digest_id).values(tries=_G.tries + 1, next_try=next_try)
        await self._database.update(Move.POSTPONE_DIGEST, later)

    async def up(self) -> tuple[Up, ...]:
        """One row for each, with the earliest deadline on it."""
        earliest = func.min(_A.deadline, type_=_A.deadline.type).label("earliest")
        up = (_G.digest_id, _G.surface, _G.channel, _G.ref)
        some = select(*up, earliest).select_from(_ON).where(_G.ref.is_not(None), GATHERED).group_by(*up)
        return tuple(
            value_in(row, Up, tables.digests, mark=row[_G.digest_id], deadline=row["earliest"])
            for row in await self._database.fetch(some)
        )

    async def lost(self, digest_id: str, *, ref: str | None = None) -> bool:
        """As if it had never been posted."""
        unposted = _change(digest_id).values(
            ref=None, shown=None, shown_at=None, attempted_at=None, tries=0, next_try=None
        )
        return await self._database.update(
            Move.LOSE_DIGEST, unposted if ref is None else unposted.where(_G.ref == ref)
        )

    async def _found(
        self, statement: Select[Any], *, lines: int, agents: Collection[str] = ()
    ) -> tuple[QueueMessage, ...]:
        """These digests with their counts, and the first `lines` of their requests."""
        rows = await self._database.fetch(statement)
        counts = await self._counts() if rows else {}
        found = []
        for row in rows:
            where = value_in(row, Destination, tables.digests)
            count, joined_at = counts.get(where, (0, None))
            theirs = await self._agents_on(where, agents) if count and agents else frozenset()
            belongs: dict[str, Any] = {
                "count": count,
                "joined_at": joined_at,
                "first": await self._first(where, lines) if count and lines else (),
                "agents": theirs,
            }
            found.append(value_in(row, QueueMessage, tables.digests, **belongs))
        return tuple(found)

    async def _counts(self) -> Mapping[Destination, tuple[int, datetime | None]]:
        """How many requests are on each digest, and since when; counted in their index."""
        of = (_P.surface, _P.channel)
        joined_at = func.max(_P.gathered_at, type_=_P.gathered_at.type).label("joined_at")
        counted = select(*of, func.count().label("together"), joined_at).where(GATHERED).group_by(*of)
        return {
            value_in(row, Destination, tables.placements): (row["together"], row["joined_at"])
            for row in await self._database.fetch(counted)
        }

    async def _first(self, where: Destination, most: int) -> tuple[Approval, ...]:
        first = select(_P.approval_id).where(GATHERED, *_in(where)).order_by(*_EARLIEST_FIRST).limit(most)
        rows = await self._database.fetch(
            approvals_decided().where(_A.id.in_(first)).order_by(_A.deadline, _A.id)
        )
        return await whole_of(rows, self._database.fetch, self._proofs)

    async def _agents_on(self, where: Destination, agents: Collection[str]) -> frozenset[str]:
        theirs = select(_A.agent).join_from(tables.placements, tables.approvals).distinct()
        on = theirs.where(GATHERED, *_in(where), _A.agent.in_(tuple(agents)))
        return frozenset(row[_A.agent] for row in await self._database.fetch(on))


def _in(where: Destination) -> tuple[ColumnElement[bool], ...]:
    return _P.surface == where.surface, _P.channel == where.channel


def _waiting_of(row: RowMapping) -> Waiting:
    """The card that waits in a row of both its placement and its approval."""
    whose = {"approval_id": row[_A.id], "agent_id": row[_A.agent] or "", "up_by": row[_P.up_by]}
    return value_in(row, Waiting, tables.approvals, card_id=row[_P.card_id], **whose)


async def _digest_at(connection: AsyncConnection, destination: Destination) -> str:
    """The id of the channel's digest, which is made if there is none."""
    place = {"surface": destination.surface, "channel": destination.channel}
    new = insert_new(connection, tables.digests).values(digest_id=secrets.token_urlsafe(12), tries=0, **place)
    await connection.execute(new.on_conflict_do_nothing(index_elements=[_G.surface, _G.channel]))
    here = select(_G.digest_id).where(_G.surface == destination.surface, _G.channel == destination.channel)
    digest_id: str = (await connection.execute(here)).scalar_one()
    return digest_id


def _still_says(digest: QueueMessage) -> bool:
    """Whether its message is up, or may be, and says something that is no longer so."""
    may_be_up = digest.ref is not None or digest.attempted_at is not None
    return may_be_up and digest.shown != EMPTY


def _change(digest_id: str) -> Update:
    return update(tables.digests).where(_G.digest_id == digest_id)
