"""New cards for an approval, in SQL, and never two of one call in one place."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import tables
from adapters.store.rows import placement_row
from bot.records import Placement
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
