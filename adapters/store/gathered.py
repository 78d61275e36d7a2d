"""What stands on digests, and what waits for a card of its own: the statements and rows of `digests`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Select, func, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from adapters.store import tables
from bot.approval import Approval, Stage
from bot.records import Digest, Gathered, Waiting
from bot.surface import Destination

_A, _P, _G, _V = tables.approvals.c, tables.placements.c, tables.digests.c, tables.votes.c

#: Requests that wait for people; what a rule answers is on no digest.
ASKED = (_A.stage == Stage.OPEN, _A.rule.is_(None), ~_P.superseded)
GATHERED = (_P.gathered, *ASKED)
#: Placements with their approvals and the digests of their channels.
_ON = tables.placements.join(tables.approvals).join(
    tables.digests, (_G.surface == _P.surface) & (_G.channel == _P.channel)
)
#: What `waiting_of` reads.
WAITING = (_P.card_id, _A.id, _A.agent, _A.first_seen, _A.deadline)
UNTRIED = (_P.owed, ~_P.gathered, _P.ref.is_(None), _P.attempted_at.is_(None))


def first_lines(digest_ids: Sequence[str], *, lines: int) -> Select[Any]:
    """The first few approvals of each of these digests, with how many there are together, and since when."""
    order = [_A.deadline, _A.id, _P.card_id]
    queue = (
        select(
            _A.id.label("approval_id"),
            _G.digest_id.label("stands_on"),
            func.row_number().over(partition_by=_G.digest_id, order_by=order).label("place"),
            func.count().over(partition_by=_G.digest_id).label("together"),
            func.max(_P.gathered_at).over(partition_by=_G.digest_id).label("joined_at"),
        )
        .join_from(tables.placements, tables.approvals)
        .join(tables.digests, (_G.surface == _P.surface) & (_G.channel == _P.channel))
        .where(_G.digest_id.in_(digest_ids), *GATHERED)
        .subquery()
    )
    return (
        select(tables.approvals, tables.decisions, queue.c.stands_on, queue.c.together, queue.c.joined_at)
        .select_from(queue)
        .join(tables.approvals, _A.id == queue.c.approval_id)
        .outerjoin(tables.decisions, tables.decisions.c.approval_id == _A.id)
        .where(queue.c.place <= lines)
        .order_by(queue.c.stands_on, queue.c.place)
    )


def first_on(digest_id: str, *, without: Collection[str]) -> Select[Any]:
    """What stands on a digest with the earliest deadline, and is of none of these agents."""
    others = func.coalesce(_A.agent, "").not_in(tuple(without))
    return (
        select(*WAITING)
        .select_from(_ON)
        .where(_G.digest_id == digest_id, *GATHERED, others)
        .order_by(_A.deadline, _A.id, _P.card_id)
        .limit(1)
    )


def standing_on(digest_id: str) -> Select[Any]:
    """What stands on a digest, without the calls, earliest deadline first."""
    return (
        select(_P.card_id, _A.id, _A.route, _A.deadline, _A.widened)
        .select_from(_ON)
        .where(_G.digest_id == digest_id, *GATHERED)
        .order_by(_A.deadline, _A.id, _P.card_id)
    )


def up_with_some() -> Select[Any]:
    """Digests that are up, each with the earliest deadline of what stands on it."""
    earliest = func.min(_A.deadline, type_=_A.deadline.type).label("earliest")
    return (
        select(_G.digest_id, _G.surface, _G.channel, _G.ref, earliest)
        .select_from(_ON)
        .where(_G.ref.is_not(None), *GATHERED)
        .group_by(_G.digest_id, _G.surface, _G.channel, _G.ref)
    )


def voters_on(digest_id: str) -> Select[Any]:
    """Who has voted on the calls, as they are now, that stand on a digest."""
    return (
        select(_V.approval_id, _V.person)
        .select_from(_ON.join(tables.votes, (_V.approval_id == _A.id) & (_V.digest == _A.digest)))
        .where(_G.digest_id == digest_id, *GATHERED)
    )


def gathered_of(row: RowMapping, *, voters: Iterable[str]) -> Gathered:
    """What a row of `standing_on` tells."""
    return Gathered(
        card_id=row[_P.card_id],
        approval_id=row[_A.id],
        route=row[_A.route],
        deadline=row[_A.deadline],
        widened=row[_A.widened],
        voters=frozenset(voters),
    )


def waiting_of(row: RowMapping) -> Waiting:
    """The card that waits in a row of both its placement and its approval."""
    return Waiting(
        card_id=row[_P.card_id],
        approval_id=row[_A.id],
        agent_id=row[_A.agent] or "",
        first_seen=row[_A.first_seen],
        deadline=row[_A.deadline],
    )


def agents_on(digest_ids: Sequence[str]) -> Select[Any]:
    """Whose requests stand on these digests, each agent once for each."""
    return (
        select(_G.digest_id, _A.agent)
        .select_from(_ON)
        .where(_G.digest_id.in_(digest_ids), *GATHERED)
        .distinct()
    )


def digest_of(
    row: RowMapping,
    *,
    count: int,
    joined_at: datetime | None,
    first: Sequence[Approval],
    agents: Iterable[str] = (),
) -> Digest:
    """The digest in a row, with what stands on it."""
    return Digest(
        digest_id=row[_G.digest_id],
        destination=place_of(row, _G),
        count=count,
        joined_at=joined_at,
        first=tuple(first),
        agents=frozenset(agents),
        ref=row[_G.ref],
        shown=row[_G.shown],
        shown_at=row[_G.shown_at],
        attempted_at=row[_G.attempted_at],
        tries=row[_G.tries],
        next_try=row[_G.next_try],
    )


def place_of(row: RowMapping, columns: ReadOnlyColumnCollection[str, Column[Any]]) -> Destination:
    """The destination in a row, by the columns of this table."""
    return Destination(surface=row[columns.surface], channel=row[columns.channel])
