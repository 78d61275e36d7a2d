"""Places in the chats, in SQL: which cards are where, and in which revision.

Never two cards of one call in one place. `due_cards` has what there is to show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import columns_of, moment, value_in
from adapters.store.compare_and_set import Move, append, chunks
from adapters.store.database import rows_of
from adapters.store.due_cards import DueCards
from adapters.store.whole import decided, whole_of, with_next
from bot.approval import Approval, Stage
from bot.records import Lack, Placement, Posted, Up
from bot.surface import Destination

_P, _A, _D, _G = tables.placements.c, tables.approvals.c, tables.decisions.c, tables.digests.c


_CARD = select(tables.placements).where(_P.card_id == bindparam("card"))
_PRESSED = (
    select(tables.placements, tables.approvals, tables.decisions, tables.rungs)
    .select_from(with_next(decided(tables.placements.join(tables.approvals))))
    .where(_P.card_id == bindparam("card"))
)


async def destinations_of(connection: AsyncConnection, approval_id: str) -> frozenset[Destination]:
    """Where a card of the call as it is now is, or will be."""
    standing = select(_P.surface, _P.channel).where(_P.approval_id == approval_id, ~_P.superseded)
    found = await connection.execute(standing)
    return frozenset(Destination(surface=surface, channel=channel) for surface, channel in found)


async def place(connection: AsyncConnection, approval_id: str, placements: Sequence[Placement]) -> None:
    """Cards where this call has none yet, and none under way."""
    if not placements:
        return
    new = {one.destination: one for one in reversed(placements)}
    for destination in await destinations_of(connection, approval_id):
        new.pop(destination, None)
    if new:
        # Locked: what changes the approval meanwhile does not see these rows yet.
        of = select(_A.revision, _A.deadline, _A.stage, _A.rule).where(_A.id == approval_id).with_for_update()
        revision, deadline, stage, rule = (await connection.execute(of)).one()
        asks = what_it_asks(revision=revision, deadline=deadline, stage=stage, rule=rule)
        rows = [placement_row(one, asks) for one in new.values()]
        await connection.execute(insert(tables.placements), rows)


def what_it_asks(*, revision: int, deadline: datetime, stage: Stage, rule: str | None) -> dict[str, Any]:
    """What the rows of an approval's cards have of it, as the trigger keeps it from then on."""
    waits = stage in (Stage.OPEN, Stage.DECIDED)
    return {
        "revision": revision,
        "deadline": deadline,
        "asked": waits or rule is not None,
        "for_people": stage is Stage.OPEN and rule is None,
    }


def placement_row(placement: Placement, asks: Mapping[str, Any]) -> dict[str, Any]:
    """A new placement's row, with `what_it_asks`."""
    return {**columns_of(placement, tables.placements), "owed": True, **asks}


#: What a card's row has of its approval, and how its trigger makes it (`migrations/copies.py`).
_COPIES = {
    _P.revision: _A.revision,
    _P.deadline: _A.deadline,
    _P.asked: or_(_A.stage.in_((Stage.OPEN, Stage.DECIDED)), _A.rule.is_not(None)),
    _P.for_people: and_(_A.stage == Stage.OPEN, _A.rule.is_(None)),
}


class SqlPlacements(DueCards):
    """`bot.store.Placements` over a database."""

    async def get(self, card_id: str) -> Placement | None:
        """The placement; None for an unknown card."""
        rows = await self._database.fetch(_CARD, {"card": card_id})
        return value_in(rows[0], Placement, tables.placements) if rows else None

    async def pressed(self, card_id: str) -> tuple[Placement, Approval] | None:
        """Both of one moment, in one statement."""
        rows = await self._database.fetch(_PRESSED, {"card": card_id})
        found = await whole_of(rows, self._database.fetch, self._proofs, next_read=True)
        return (value_in(rows[0], Placement, tables.placements), found[0]) if found else None

    async def of(self, *approval_ids: str) -> tuple[Placement, ...]:
        """All placements of these approvals, also those given up."""
        found: list[Placement] = []
        for some in chunks(approval_ids):
            theirs = select(tables.placements).where(_P.approval_id.in_(some)).order_by(_P.card_id)
            rows = await self._database.fetch(theirs)
            found.extend(value_in(row, Placement, tables.placements) for row in rows)
        return tuple(found)

    async def attempt(self, *card_ids: str, at: datetime) -> None:
        """Of several tries the first one's time stays: a search for the message has to reach back to it.

        What was on a queue message a moment ago has a message of its own from here on.
        """
        begun = update(tables.placements).where(_P.card_id.in_(card_ids))
        begun = begun.values(attempted_at=func.coalesce(_P.attempted_at, moment(at)), owed=True, gathered=False)
        await self._database.update(Move.ATTEMPT_CARD, begun)

    async def not_begun(self, card_ids: Sequence[str]) -> None:
        """They can be gathered again."""
        back = update(tables.placements).where(_P.card_id.in_(card_ids), _P.ref.is_(None))
        await self._database.update(Move.POSTPONE_CARD, back.values(attempted_at=None))

    async def shown(self, card_id: str, *, ref: str, revision: int, digest: str | None = None) -> None:
        """A message that was found, and not put up, can be another one's: then the card is as good as lost,
        and is posted again. One message cannot show two requests.
        """
        await self.posted((Posted(card_id=card_id, ref=ref, revision=revision, digest=digest),))

    async def posted(self, cards: Sequence[Posted]) -> None:
        """All in one transaction; failures before are forgotten. See `shown` for a revision of 0."""
        rows = {one.card_id: one for one in cards}
        new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("ref", "shown_revision", "digest")}
        up = (
            update(tables.placements).where(_P.card_id == bindparam("of")).values(**new, tries=0, next_try=None)
        )

        async def work(connection: AsyncConnection) -> bool:
            whose = select(_P.card_id, _P.approval_id, _P.surface, _P.channel, _P.superseded)
            taken = [
                one for one in cards if not one.revision and await _is_taken(connection, one.card_id, one.ref)
            ]
            for one in taken:
                await connection.execute(_unposted(one.card_id))
            left = rows.keys() - {one.card_id for one in taken}
            # In one order, so that nobody waits in a circle.
            locked = whose.where(_P.card_id.in_(left)).order_by(_P.approval_id, _P.card_id).with_for_update()
            there, at = await rows_of(connection, locked), self._clock()
            if not there:
                return bool(taken)
            shown = [
                {
                    "of": row[_P.card_id],
                    "new_ref": rows[row[_P.card_id]].ref,
                    "new_shown_revision": rows[row[_P.card_id]].revision,
                    "new_digest": rows[row[_P.card_id]].digest,
                }
                for row in there
            ]
            await connection.execute(up, shown)
            told = [
                audit_events.card_shown(
                    row[_P.approval_id],
                    superseded=row[_P.superseded],
                    destination=value_in(row, Destination, tables.placements),
                    at=at,
                    **{field.name: getattr(rows[row[_P.card_id]], field.name) for field in fields(Posted)},
                )
                for row in there
            ]
            await append(connection, *told)
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

    async def repair(self, *, after: str, most: int) -> tuple[int, str]:
        """A copy is right by a trigger, so one that is not was written past Nod."""
        some = select(_P.card_id).where(_P.owed, _P.card_id > after).order_by(_P.card_id).limit(most)
        last = await self._database.value(select(func.max(some.subquery().c.card_id)))
        if last is None:
            return 0, ""
        wrong = [
            row[_P.card_id]
            for row in await self._database.fetch(
                select(_P.card_id)
                .join_from(tables.placements, tables.approvals)
                .where(_P.owed, _P.card_id > after, _P.card_id <= last)
                .where(or_(*(copy != of for copy, of in _COPIES.items())))
            )
        ]
        right = update(tables.placements).where(_P.card_id.in_(wrong), _A.id == _P.approval_id)
        right = right.values({**_COPIES, _P.up_by: None})
        if wrong:
            await self._database.update(Move.REPAIR, right)
        return len(wrong), last

    async def lost(self, card_id: str, *, ref: str | None = None) -> bool:
        """As if it had never been posted."""
        unposted = _unposted(card_id)
        return await self._database.update(
            Move.LOST, unposted if ref is None else unposted.where(_P.ref == ref)
        )

    async def give_up(self, card_id: str) -> None:
        """It lags no more, whatever its approval does."""
        await self._database.update(Move.GIVE_UP, _change(card_id).values(owed=False))


def lags() -> ColumnElement[bool]:
    """Whether a placement shows less than its approval, or is superseded and has not been given up.

    What is gathered has no message of its own, so it never lags.

    A card that nobody ever tried to post is posted only while there is something to ask: after the end it
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
    """Whether a placement is on its channel's digest, and people can see it there."""
    one = placements.c
    digest = (
        select(_G.digest_id)
        .where(_G.surface == one.surface, _G.channel == one.channel, _G.ref.is_not(None), _G.shown.is_not(None))
        .where(one.gathered_at <= _G.shown_at)  # else its message is from before that
    )
    return and_(one.gathered, exists(digest.correlate(placements)))


def _change(card_id: str) -> Update:
    return update(tables.placements).where(_P.card_id == card_id)


def _unposted(card_id: str) -> Update:
    return _change(card_id).values(
        ref=None, shown_revision=0, digest=None, attempted_at=None, tries=0, next_try=None, up_by=None
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
