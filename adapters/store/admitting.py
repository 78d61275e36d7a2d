"""New approvals in one transaction, each with the cards and the rungs that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import facts, tables
from adapters.store.columns import keepable
from adapters.store.database import insert_new
from adapters.store.moves import append
from adapters.store.proofs import Proofs
from adapters.store.rows import approval_row, placement_row, rung_row
from bot.records import Newcomer


async def take_in(connection: AsyncConnection, newcomers: Sequence[Newcomer], proofs: Proofs) -> frozenset[str]:
    """Write those that have no record yet; their ids. Of two with one id the first is written."""
    by_id: dict[str, Newcomer] = {}
    for newcomer in newcomers:
        by_id.setdefault(keepable(newcomer.approval.id), newcomer)
    if not by_id:
        return frozenset()
    new = insert_new(connection, tables.approvals).on_conflict_do_nothing().returning(tables.approvals.c.id)
    # What waits and has no record: somebody has removed it. No rule answers that; people are asked.
    gone = {kept for kept in by_id if proofs.surely_waits(kept)}
    approvals = {
        kept: replace(newcomer.approval, rule=None) if kept in gone else newcomer.approval
        for kept, newcomer in by_id.items()
    }
    rows = [approval_row(approval, proofs) for approval in approvals.values()]
    written = set((await connection.execute(new, rows)).scalars())
    taken = [newcomer for kept, newcomer in by_id.items() if kept in written]
    placements = [placement_row(one) for newcomer in taken for one in newcomer.placements]
    rungs = [rung_row(one) for newcomer in taken for one in newcomer.rungs]
    if placements:
        await connection.execute(insert(tables.placements), placements)
    if rungs:
        await connection.execute(insert(tables.rungs), rungs)
    for newcomer in taken:  # before the commit: whoever reads it at once shall find that it waits
        proofs.begins(newcomer.approval.id)
        if keepable(newcomer.approval.id) in gone:
            proofs.doubt(newcomer.approval.id, ("record",))
    if taken:
        await append(connection, *(facts.admitted(approvals[one]) for one in by_id if one in written))
    return frozenset(newcomer.approval.id for newcomer in taken)
