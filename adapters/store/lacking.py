"""Requests that wait without a card where they should have one, in SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, exists, func, or_, select

from adapters.store import tables
from bot.approval import Stage
from bot.records import Lack
from bot.surface import Destination

_A, _P, _G = tables.approvals.c, tables.placements.c, tables.digests.c


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


def lacking() -> Select[Any]:
    """For each place, how many requests wait for people without a card there. `lack_of` reads the rows."""
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
    return select(
        bare.c.surface,
        bare.c.channel,
        func.sum(1 - seen).label("unseen"),
        func.sum(tried_ * (1 - seen)).label("in_vain"),
        func.sum(tried_ * seen).label("elsewhere"),
    ).group_by(bare.c.surface, bare.c.channel)


def lack_of(row: Any) -> Lack:
    """What a row of `lacking` tells."""
    return Lack(
        destination=Destination(surface=row["surface"], channel=row["channel"]),
        unseen=int(row["unseen"]),
        in_vain=int(row["in_vain"]),
        elsewhere=int(row["elsewhere"]),
    )
