"""New approvals in one transaction, each with the cards and the rungs that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_events, tables
from adapters.store.columns import columns_of, storable_text
from adapters.store.compare_and_set import append
from adapters.store.database import insert_new
from adapters.store.proofs import Proofs
from adapters.store.rows import approval_row, placement_row
from bot.records import NewApproval


async def insert_approvals(
    connection: AsyncConnection, new_approvals: Sequence[NewApproval], proofs: Proofs
) -> frozenset[str]:
    """Write those that have no record yet; their ids. Of two with one id the first is written."""
    by_id: dict[str, NewApproval] = {}
    for new_approval in new_approvals:
        by_id.setdefault(storable_text(new_approval.approval.id), new_approval)
    if not by_id:
        return frozenset()
    new = insert_new(connection, tables.approvals).on_conflict_do_nothing().returning(tables.approvals.c.id)
    # What waits and has no record: somebody has removed it. No rule answers that; people are asked.
    gone = {kept for kept in by_id if proofs.surely_waits(kept)}
    approvals = {
        kept: replace(new_approval.approval, rule=None) if kept in gone else new_approval.approval
        for kept, new_approval in by_id.items()
    }
    rows = [approval_row(approval, proofs) for approval in approvals.values()]
    written = set((await connection.execute(new, rows)).scalars())
    taken = [new_approval for kept, new_approval in by_id.items() if kept in written]
    placements = [placement_row(one) for new_approval in taken for one in new_approval.placements]
    rungs = [columns_of(one) for new_approval in taken for one in new_approval.rungs]
    if placements:
        await connection.execute(insert(tables.placements), placements)
    if rungs:
        await connection.execute(insert(tables.rungs), rungs)
    for new_approval in taken:  # before the commit: whoever reads it at once shall find that it waits
        proofs.begins(new_approval.approval.id)
        if storable_text(new_approval.approval.id) in gone:
            proofs.doubt(new_approval.approval.id, ("record",))
    if taken:
        await append(connection, *(audit_events.admitted(approvals[one]) for one in by_id if one in written))
    return frozenset(new_approval.approval.id for new_approval in taken)
