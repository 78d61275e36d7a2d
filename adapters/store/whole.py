"""Approvals as a whole: their rows, with the votes, claims and rungs that are in other tables.

An approval is read in several statements, while others write. What was judged by two moments at once looks
forged though nobody touched it, so it is read again before anybody is told that the record was changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.engine import RowMapping

from adapters.store import tables
from adapters.store.claims import claim_of
from adapters.store.columns import storable_text
from adapters.store.compare_and_set import chunks
from adapters.store.database import paced
from adapters.store.next_step import with_ahead, with_pinged
from adapters.store.proofs import Proofs
from adapters.store.rows import approval_of, approvals_decided
from adapters.store.votes import Fetch, with_votes
from bot.approval import Approval, Claim

_A, _C = tables.approvals.c, tables.claims.c

#: What still changes after so many readings counts as forged: Nod fails closed.
READINGS = 5


async def whole_of(rows: Iterable[RowMapping], fetch: Fetch, proofs: Proofs) -> tuple[Approval, ...]:
    """The approvals in these rows, which have the columns of `approvals_decided`; a few statements for all.

    What is not Nod's own word is named in `forged`, and doubted from then on.
    """
    found = [approval_of(row, proofs) async for row in paced(rows)]
    approvals = await _together(found, fetch, proofs)
    suspect = {approval.id: approval for approval in approvals if approval.forged}
    if not suspect:
        return approvals
    sure = await _read_again(suspect, fetch, proofs)
    return tuple(sure.get(approval.id, approval) for approval in approvals)


async def _read_again(suspect: Mapping[str, Approval], fetch: Fetch, proofs: Proofs) -> dict[str, Approval]:
    """The same approvals, read while nothing that is known of them changed."""
    now, left = dict(suspect), list(suspect)
    for _ in range(READINGS):
        known = {approval_id: proofs.known_of(approval_id) for approval_id in left}
        again = await _together(await _found(left, fetch, proofs), fetch, proofs)
        now.update({approval.id: approval for approval in again})
        left = [
            approval_id
            for approval_id in left
            if now[approval_id].forged and proofs.known_of(approval_id) != known[approval_id]
        ]
        if not left:
            break
    for approval in now.values():
        if approval.forged:
            proofs.doubt(approval.id, approval.forged)
    return now


async def _found(ids: Sequence[str], fetch: Fetch, proofs: Proofs) -> list[Approval]:
    found: list[Approval] = []
    for some in chunks(ids):
        rows = await fetch(approvals_decided().where(_A.id.in_(some)))
        found += [approval_of(row, proofs) for row in rows]
    return found


async def _together(found: Sequence[Approval], fetch: Fetch, proofs: Proofs) -> tuple[Approval, ...]:
    """Read after the approvals: a claim in between raises the revision, so its card is drawn again."""
    approvals = await with_votes(found, fetch, proofs)
    ids = list(dict.fromkeys(approval.id for approval in approvals if approval.revision > 1))
    claims: defaultdict[str, list[Claim]] = defaultdict(list)
    for some in chunks(ids):
        statement = select(tables.claims).where(_C.approval_id.in_(some)).order_by(_C.at, _C.person)
        for row in await fetch(statement):
            claims[row[_C.approval_id]].append(claim_of(row))
    ahead = await with_ahead([_with(approval, claims) for approval in approvals], fetch)
    return await with_pinged(ahead, fetch)


def _with(approval: Approval, claims: Mapping[str, list[Claim]]) -> Approval:
    mine = claims.get(storable_text(approval.id))
    return replace(approval, claims=tuple(mine)) if mine else approval
