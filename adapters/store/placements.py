"""Which cards show an approval, where, and in which revision; new ones, never two of one call in one place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Update, and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import moment
from adapters.store.compare_and_set import Move, append, chunks
from adapters.store.database import Database
from adapters.store.lacking import lack_of, lacking
from adapters.store.proofs import Proofs
from adapters.store.rows import placement_of, placement_row
from adapters.store.whole import whole_of
from bot.approval import Approval, Stage
from bot.ports import Clock
from bot.records import Lack, Placement, Up
from bot.surface import Destination

_P = tables.placements.c


async def destinations_of(connection: AsyncConnection, approval_id: str) -> frozenset[Destination]:
    """Where a card of the call stands as it is now, or will stand."""
    standing = select(_P.surface, _P.channel).where(_P.approval_id == approval_id, ~_P.superseded)
    found = await connection.execute(standing)
    return frozenset(Destination(surface=surface, channel=channel) for surface, channel in found)


async def place(connection: AsyncConnection, approval_id: str, placements: Sequence[Placement]) -> None:
    """Cards where none of this call stands, or will stand, yet."""
    if not placements:
        return
    new = {one.destination: one for one in reversed(placements)}
    for destination in await destinations_of(connection, approval_id):
        new.pop(destination, None)
    if new:
        await connection.execute(insert(tables.placements), [placement_row(one) for one in new.values()])


_P, _A = tables.placements.c, tables.approvals.c

#: Of the cards that wait for their first post, so many of each channel are looked at.
FRONT = 2


class SqlPlacements:
    """`bot.store.Placements` over a database. Every method raises Unavailable when it is in trouble."""

    def __init__(self, *, database: Database, clock: Clock, proofs: Proofs) -> None:
        self._database, self._clock, self._proofs = database, clock, proofs

    async def get(self, card_id: str) -> Placement | None:
        """The placement; None for an unknown card."""
        rows = await self._database.fetch(select(tables.placements).where(_P.card_id == card_id))
        return placement_of(rows[0]) if rows else None

    async def of(self, *approval_ids: str) -> tuple[Placement, ...]:
        """All placements of these approvals, also those given up."""
        found: list[Placement] = []
        for some in chunks(approval_ids):
            theirs = select(tables.placements).where(_P.approval_id.in_(some)).order_by(_P.card_id)
            found.extend(placement_of(row) for row in await self._database.fetch(theirs))
        return tuple(found)

    async def lagging(self) -> tuple[tuple[Placement, Approval], ...]:
        """Those with a `next_try` in the future too: the caller waits for it.

        No card is drawn from a record that is not Nod's.
        """
        whole = tables.placements.join(tables.approvals).outerjoin(
            tables.decisions, tables.decisions.c.approval_id == _A.id
        )
        # A channel takes one new card a second, so of those that wait behind its first nothing is read.
        untried = and_(_P.ref.is_(None), _P.next_try.is_(None))
        line = func.row_number().over(
            partition_by=[_P.surface, _P.channel, untried], order_by=[_A.deadline, _A.id, _P.card_id]
        )
        queue = select(_P.card_id, line.label("place")).select_from(whole).where(lags()).subquery()
        statement = (
            select(tables.placements, tables.approvals, tables.decisions)
            .select_from(whole.join(queue, queue.c.card_id == _P.card_id))
            .where(or_(~untried, queue.c.place <= FRONT))
            .order_by(_A.deadline, _A.id, _P.card_id)
        )
        rows = await self._database.fetch(statement)
        approvals = await whole_of(rows, self._database.fetch, self._proofs)
        both = zip(rows, approvals, strict=True)
        return tuple((placement_of(row), approval) for row, approval in both if not approval.forged)

    async def attempt(self, card_id: str, *, at: datetime) -> None:
        """Of several tries the first one's time stays: a search for the message has to reach back to it.

        What was gathered a moment ago stands on its own from here on.
        """
        begun = _change(card_id).values(
            attempted_at=func.coalesce(_P.attempted_at, moment(at)), owed=True, gathered=False
        )
        await self._database.update(Move.ATTEMPT_CARD, begun)

    async def shown(self, card_id: str, *, ref: str, revision: int, digest: str | None = None) -> None:
        """What the surface shows now; failures before it are forgotten.

        A message that was found, and not put up, can be another one's: then the card is as good as lost, and
        is posted anew. One message cannot show two requests.
        """
        up = _change(card_id).values(ref=ref, shown_revision=revision, digest=digest, tries=0, next_try=None)
        whose = up.returning(_P.approval_id, _P.surface, _P.channel, _P.superseded)

        async def work(connection: AsyncConnection) -> bool:
            if not revision and await _is_taken(connection, card_id, ref):
                await connection.execute(_anew(card_id))
                return True
            row = (await connection.execute(whose)).mappings().first()
            if row is None:
                return False
            told = audit_events.card_shown(
                row[_P.approval_id],
                superseded=row[_P.superseded],
                card_id=card_id,
                destination=str(Destination(surface=row[_P.surface], channel=row[_P.channel])),
                ref=ref,
                revision=revision,
                digest=digest,
                at=self._clock(),
            )
            await append(connection, told)
            return True

        await self._database.write(Move.SHOWN, work)

    async def postpone(
        self, card_id: str, *, next_try: datetime, begun: bool = True, failed: bool = True
    ) -> None:
        """One more failed try in a row, if it `failed`. What was not begun may still be gathered."""
        later = _change(card_id).values(tries=_P.tries + int(failed), next_try=next_try)
        if not begun:
            later = later.values(attempted_at=None)
        await self._database.update(Move.POSTPONE_CARD, later)

    async def up(self, *, most: int) -> tuple[Up, ...]:
        """No call is read."""
        statement = (
            select(_P.card_id, _P.surface, _P.channel, _P.ref, _A.deadline)
            .join_from(tables.placements, tables.approvals)
            .where(_P.ref.is_not(None), ~_P.gathered, ~_P.superseded, _P.owed)
            .where(_A.stage == Stage.OPEN, _A.rule.is_(None))
            .order_by(_A.deadline, _P.card_id)
            .limit(most)
        )
        return tuple(
            Up(
                mark=row[_P.card_id],
                destination=Destination(surface=row[_P.surface], channel=row[_P.channel]),
                ref=row[_P.ref],
                deadline=row[_A.deadline],
            )
            for row in await self._database.fetch(statement)
        )

    async def lacking(self) -> tuple[Lack, ...]:
        """Counted without reading a call."""
        return tuple(lack_of(row) for row in await self._database.fetch(lacking()))

    async def lost(self, card_id: str, *, ref: str | None = None) -> bool:
        """As if it had never been posted."""
        anew = _anew(card_id)
        return await self._database.update(Move.LOST, anew if ref is None else anew.where(_P.ref == ref))

    async def give_up(self, card_id: str) -> None:
        """It lags no more, whatever its approval does."""
        await self._database.update(Move.GIVE_UP, _change(card_id).values(owed=False))


def lags() -> ColumnElement[bool]:
    """Whether a placement shows less than its approval, or is superseded and has not been given up.

    What is gathered has no message of its own, so it never lags.

    A card that nobody ever tried to post is owed only while there is something to ask: after the end it
    would tell people about a request that they never saw. What a rule answers is told by its card alone,
    however quickly the platform takes the answer.
    """
    may_be_up = or_(_P.ref.is_not(None), _P.attempted_at.is_not(None))
    still_asked = or_(_A.stage.in_([Stage.OPEN, Stage.DECIDED]), _A.rule.is_not(None))
    behind = or_(_P.superseded, _P.shown_revision < _A.revision)
    return and_(_P.owed, ~_P.gathered, behind, or_(may_be_up, still_asked))


def _change(card_id: str) -> Update:
    return update(tables.placements).where(_P.card_id == card_id)


def _anew(card_id: str) -> Update:
    return _change(card_id).values(
        ref=None, shown_revision=0, digest=None, attempted_at=None, tries=0, next_try=None
    )


async def _is_taken(connection: AsyncConnection, card_id: str, ref: str) -> bool:
    """Whether the message is another card's, or the digest's, in the place where this card belongs."""
    mine = select(_P.surface, _P.channel).where(_P.card_id == card_id).subquery()
    others = (
        select(table.c.ref)
        .join_from(table, mine, and_(table.c.surface == mine.c.surface, table.c.channel == mine.c.channel))
        .where(table.c.ref == ref)
        for table in (tables.placements, tables.digests)
    )
    cards, digests = others
    taken = cards.where(_P.card_id != card_id).union_all(digests)
    return (await connection.execute(taken)).first() is not None
