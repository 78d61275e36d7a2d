"""Places in the chats, in SQL: which cards stand where, in which revision, and where the bot may speak.

Never two cards of one call in one place.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Update,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.audit import reading
from adapters.store.columns import columns_of, moment, value_in
from adapters.store.compare_and_set import Move, append, chunks
from adapters.store.database import Part, insert_new, rows_of
from adapters.store.whole import decided, whole_of
from bot.approval import Approval, Stage
from bot.records import Lack, Placement, Up
from bot.surface import ConversationRef, Destination

_P, _A, _G = tables.placements.c, tables.approvals.c, tables.digests.c
_N = tables.conversations.c

#: Of the cards that wait for their first post, so many of each channel are looked at.
FRONT = 2


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


def placement_row(placement: Placement) -> dict[str, Any]:
    """A new placement's row."""
    return columns_of(placement, tables.placements) | {"owed": True}


class SqlPlacements(Part):
    """`bot.store.Placements` over a database."""

    async def get(self, card_id: str) -> Placement | None:
        """The placement; None for an unknown card."""
        rows = await self._database.fetch(select(tables.placements).where(_P.card_id == card_id))
        return value_in(rows[0], Placement, tables.placements) if rows else None

    async def of(self, *approval_ids: str) -> tuple[Placement, ...]:
        """All placements of these approvals, also those given up."""
        found: list[Placement] = []
        for some in chunks(approval_ids):
            theirs = select(tables.placements).where(_P.approval_id.in_(some)).order_by(_P.card_id)
            rows = await self._database.fetch(theirs)
            found.extend(value_in(row, Placement, tables.placements) for row in rows)
        return tuple(found)

    async def lagging(self) -> tuple[tuple[Placement, Approval], ...]:
        """Those with a `next_try` in the future too: the caller waits for it.

        No card is drawn from a record that is not Nod's.
        """
        whole = decided(tables.placements.join(tables.approvals))
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
        return tuple(
            (value_in(row, Placement, tables.placements), approval)
            for row, approval in zip(rows, approvals, strict=True)
            if not approval.forged
        )

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
                destination=value_in(row, Destination, tables.placements),
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
            value_in(row, Up, tables.placements, mark=row[_P.card_id], deadline=row[_A.deadline])
            for row in await self._database.fetch(statement)
        )

    async def lacking(self) -> tuple[Lack, ...]:
        """Counted without reading a call."""
        tried = or_(_P.tries > 0, _P.attempted_at.is_not(None))
        bare = (
            select(_P.surface, _P.channel, case((tried, 1), else_=0).label("tried"))
            .add_columns(case((in_sight(), 1), else_=0).label("seen"))
            .join_from(tables.placements, tables.approvals)
            .where(_P.owed, ~_P.superseded, _P.ref.is_(None), ~_is_told(tables.placements))
            .where(_A.stage.in_((Stage.OPEN, Stage.DECIDED)), _A.rule.is_(None))
            .subquery()
        )
        tried_, seen = bare.c.tried, bare.c.seen
        lacking = select(
            bare.c.surface,
            bare.c.channel,
            func.sum(1 - seen).label("unseen"),
            func.sum(tried_ * (1 - seen)).label("in_vain"),
            func.sum(tried_ * seen).label("elsewhere"),
        ).group_by(bare.c.surface, bare.c.channel)
        return tuple(
            Lack(
                destination=Destination(surface=row["surface"], channel=row["channel"]),
                unseen=int(row["unseen"]),
                in_vain=int(row["in_vain"]),
                elsewhere=int(row["elsewhere"]),
            )
            for row in await self._database.fetch(lacking)
        )

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


def in_sight() -> ColumnElement[bool]:
    """Whether a card of an approval is up, or a digest that tells of it."""
    other = tables.placements.alias()
    mine = select(other.c.card_id).where(other.c.approval_id == _A.id, ~other.c.superseded)
    up = mine.where(or_(other.c.ref.is_not(None), _is_told(other)))
    return exists(up.correlate(tables.approvals))


def _is_told(placements: FromClause) -> ColumnElement[bool]:
    """Whether a placement stands on its channel's digest, and people can see it there."""
    one = placements.c
    digest = (
        select(_G.digest_id)
        .where(_G.surface == one.surface, _G.channel == one.channel, _G.ref.is_not(None), _G.shown.is_not(None))
        .where(one.gathered_at <= _G.shown_at)  # else its message is from before that
    )
    return and_(one.gathered, exists(digest.correlate(placements)))


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


class SqlConversations(Part):
    """`bot.surface.Conversations` over a database."""

    async def put(self, ref: ConversationRef) -> None:
        """In one statement, so of two that come at once one is kept whole."""

        async def work(connection: AsyncConnection) -> bool:
            row = columns_of(ref, tables.conversations)
            new = insert_new(connection, tables.conversations).values(**row)
            known = {name: value for name, value in row.items() if name != "id"}
            await connection.execute(new.on_conflict_do_update(index_elements=[_N.id], set_=known))
            return True

        await self._database.write(Move.KEEP_CONVERSATION, work)

    async def get(self, conversation_id: str) -> ConversationRef | None:
        """None for an unknown one."""
        found = await self._found(select(tables.conversations).where(_N.id == conversation_id))
        return found[0] if found else None

    async def of_person(self, account: str) -> ConversationRef | None:
        """By the account, or by the Entra object id alone. Of several the first by id."""
        tenant, slash, person = account.rpartition("/")
        whose = select(tables.conversations).where(_N.person == person).order_by(_N.id).limit(1)
        found = await self._found(whose.where(_N.tenant == tenant) if slash else whose)
        return found[0] if found else None

    async def drop(self, conversation_id: str) -> None:
        """One that is not there is dropped already."""
        gone = delete(tables.conversations).where(_N.id == conversation_id)
        await self._database.update(Move.DROP_CONVERSATION, gone)

    async def all(self) -> Sequence[ConversationRef]:
        """In the order of kind, name and id."""
        return await self._found(_everything())

    async def _found(self, statement: Select[Any]) -> tuple[ConversationRef, ...]:
        return _refs_in(await self._database.fetch(statement))


async def read_conversations(url: str) -> Sequence[ConversationRef]:
    """What is kept in the database at this address, as `NOD_DATABASE_URL` gives it; the bot may run on.

    Raises ConfigError for a database that is not there, or that no bot of this version has opened.
    """
    async with reading(url, table=tables.conversations, named="list of conversations") as connection:
        return _refs_in(await rows_of(connection, _everything()))


def _everything() -> Select[Any]:
    return select(tables.conversations).order_by(_N.scope, _N.name, _N.id)


def _refs_in(rows: Sequence[RowMapping]) -> tuple[ConversationRef, ...]:
    return tuple(value_in(row, ConversationRef, tables.conversations) for row in rows)
