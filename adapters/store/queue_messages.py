"""The messages that stand for many requests, in SQL, and which requests stand on them."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Update, func, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import moment, value_in
from adapters.store.compare_and_set import Move, append, chunks
from adapters.store.database import Part, insert_new, rows_of
from adapters.store.whole import decided, whole_of
from bot.approval import Approval, Stage
from bot.records import Batched, QueueMessage, Up, Waiting
from bot.surface import Destination

_A, _P, _G, _V = tables.approvals.c, tables.placements.c, tables.digests.c, tables.votes.c

#: Requests that wait for people; what a rule answers is on no digest.
ASKED = (_A.stage == Stage.OPEN, _A.rule.is_(None), ~_P.superseded)
GATHERED = (_P.gathered, *ASKED)
UNTRIED = (_P.owed, ~_P.gathered, _P.ref.is_(None), _P.attempted_at.is_(None))
#: Placements with their approvals and the digests of their channels.
_ON = tables.placements.join(tables.approvals).join(
    tables.digests, (_G.surface == _P.surface) & (_G.channel == _P.channel)
)
_EARLIEST_FIRST = (_A.deadline, _A.id, _P.card_id)
#: What `_waiting_of` reads.
_WAITING = (_P.card_id, _A.id, _A.agent, _A.first_seen, _A.deadline)
#: A digest's message that tells of nothing, in the flow's word for it.
EMPTY = "empty"


class SqlQueueMessages(Part):
    """`bot.store.QueueMessages` over a database."""

    async def waiting(self) -> Mapping[Destination, tuple[Waiting, ...]]:
        """Without the calls: there may be thousands, and only their times and agents are looked at."""
        statement = (
            select(_P.surface, _P.channel, *_WAITING)
            .join_from(tables.placements, tables.approvals)
            .where(*UNTRIED, *ASKED)
            .order_by(*_EARLIEST_FIRST)
        )
        queues: defaultdict[Destination, list[Waiting]] = defaultdict(list)
        for row in await self._database.fetch(statement):
            queues[value_in(row, Destination, tables.placements)].append(_waiting_of(row))
        return {destination: tuple(queue) for destination, queue in queues.items()}

    async def batch(self, card_ids: Sequence[str]) -> int:
        """In one transaction, with a row of the audit for each channel."""

        async def work(connection: AsyncConnection) -> int:
            taken: defaultdict[Destination, list[str]] = defaultdict(list)
            now = self._clock()
            for some in chunks(card_ids):
                untried = update(tables.placements).where(_P.card_id.in_(some), *UNTRIED)
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
        first = select(*_WAITING).select_from(_ON).where(_G.digest_id == digest_id, *GATHERED, others)
        rows = await self._database.fetch(first.order_by(*_EARLIEST_FIRST).limit(1))
        return _waiting_of(rows[0]) if rows else None

    async def release(self, card_id: str) -> bool:
        """It is as if it had never been gathered; the audit tells when its card went up."""
        mine = (_P.card_id == card_id, _P.gathered, _P.ref.is_(None), _P.attempted_at.is_(None))
        free = update(tables.placements).where(*mine).values(gathered=False, gathered_at=None)
        return await self._database.update(Move.RELEASE, free)

    async def standing(self, *, lines: int, quiet: bool = False) -> tuple[QueueMessage, ...]:
        """Four statements for all channels."""
        found = await self._found(select(tables.digests).order_by(_G.surface, _G.channel), lines=lines)
        return tuple(digest for digest in found if quiet or digest.count or _still_says(digest))

    async def get(self, digest_id: str) -> QueueMessage | None:
        """The digest with the first of its requests; None for an unknown one."""
        found = await self._found(select(tables.digests).where(_G.digest_id == digest_id), lines=1)
        return found[0] if found else None

    async def on(self, digest_id: str) -> tuple[Batched, ...]:
        """Two statements, and none of the calls is read: there may be thousands."""
        here = (_G.digest_id == digest_id, *GATHERED)
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
        some = select(*up, earliest).select_from(_ON).where(_G.ref.is_not(None), *GATHERED).group_by(*up)
        return tuple(
            value_in(row, Up, tables.digests, mark=row[_G.digest_id], deadline=row["earliest"])
            for row in await self._database.fetch(some)
        )

    async def lost(self, digest_id: str, *, ref: str | None = None) -> bool:
        """As if it had never been posted."""
        anew = _change(digest_id).values(
            ref=None, shown=None, shown_at=None, attempted_at=None, tries=0, next_try=None
        )
        return await self._database.update(Move.LOSE_DIGEST, anew if ref is None else anew.where(_G.ref == ref))

    async def _found(self, statement: Select[Any], *, lines: int) -> tuple[QueueMessage, ...]:
        """These digests with their counts, and the first `lines` of their requests, at least one."""
        rows = await self._database.fetch(statement)
        if not rows:
            return ()
        ids = [row[_G.digest_id] for row in rows]
        firsts = await self._database.fetch(_first_lines(ids, lines=max(1, lines)))
        first: defaultdict[str, list[Approval]] = defaultdict(list)
        whole = await whole_of(firsts, self._database.fetch, self._proofs)
        for row, approval in zip(firsts, whole, strict=True):
            first[row["stands_on"]].append(approval)
        told = {row["stands_on"]: {"count": row["together"], "joined_at": row["joined_at"]} for row in firsts}
        agents: defaultdict[str, set[str]] = defaultdict(set)
        theirs = select(_G.digest_id, _A.agent).select_from(_ON).where(_G.digest_id.in_(told), *GATHERED)
        for row in await self._database.fetch(theirs.distinct()) if told else ():
            agents[row[_G.digest_id]].add(row[_A.agent])
        return tuple(
            value_in(
                row,
                QueueMessage,
                tables.digests,
                first=tuple(first[row[_G.digest_id]]),
                agents=frozenset(agents[row[_G.digest_id]]),
                **told.get(row[_G.digest_id], {"count": 0}),
            )
            for row in rows
        )


def _first_lines(digest_ids: Sequence[str], *, lines: int) -> Select[Any]:
    """The first few approvals of each of these digests, with how many there are together, and since when."""
    queue = (
        select(
            _A.id.label("approval_id"),
            _G.digest_id.label("stands_on"),
            func.row_number().over(partition_by=_G.digest_id, order_by=_EARLIEST_FIRST).label("place"),
            func.count().over(partition_by=_G.digest_id).label("together"),
            func.max(_P.gathered_at).over(partition_by=_G.digest_id).label("joined_at"),
        )
        .select_from(_ON)
        .where(_G.digest_id.in_(digest_ids), *GATHERED)
        .subquery()
    )
    return (
        select(tables.approvals, tables.decisions, queue.c.stands_on, queue.c.together, queue.c.joined_at)
        .select_from(decided(queue.join(tables.approvals, _A.id == queue.c.approval_id)))
        .where(queue.c.place <= lines)
        .order_by(queue.c.stands_on, queue.c.place)
    )


def _waiting_of(row: RowMapping) -> Waiting:
    """The card that waits in a row of both its placement and its approval."""
    whose = {"approval_id": row[_A.id], "agent_id": row[_A.agent] or ""}
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
