"""At the start: a database that ends before its last checkpoint, or tells another story, is refused."""

from __future__ import annotations

from typing import Protocol

import structlog

from adapters.notary.checkpoint import Checkpoint
from adapters.notary.shelf import Shelf
from bot.audit import Fact, Row
from bot.errors import ConfigError
from bot.ports import Clock
from bot.protocol import Json

log = structlog.get_logger()


class Chain(Protocol):
    """What is asked of the audit."""

    async def head(self) -> Row | None: ...

    async def row(self, number: int) -> Row | None: ...

    async def anchor(self) -> tuple[int, str] | None: ...

    async def note(self, fact: Fact) -> None: ...


async def check_rollback(chain: Chain, *, shelf: Shelf, accept: bool, clock: Clock) -> None:
    """Refuse a chain that the last checkpoint contradicts; or with `accept` record that and go on.

    What was acknowledged after the copy was made is lost then, and the platform's list tells what still waits.
    Those checkpoints are kept beside, under a name with the moment, since they vouch for another chain.

    Raises:
        ConfigError: rows that were signed are gone or others, and nobody accepts it.
        Unavailable: the chain cannot be read.
    """
    last, head = shelf.last, await chain.head()
    if last is None or await holds(chain, head, last):
        return
    found = head.number if head else 0
    if not accept:
        raise ConfigError(
            where="NOD_DATABASE_URL",
            what=f"the audit ends at row {found} or was changed, and a checkpoint was signed for row"
            f" {last.number} at {last.at}: the database was deleted, replaced or rolled back",
            fix="Put the right one back, or start with --accept-rollback to go on without what is lost.",
        )
    body: dict[str, Json] = {"signed": last.number, "hash": last.hash, "signed_at": last.at, "found": found}
    await chain.note(Fact(kind="rollback_accepted", at=clock(), body=body))
    aside = await shelf.set_aside(clock())
    log.warning("rollback_accepted", signed=last.number, found=found, checkpoints=str(aside))


async def holds(chain: Chain, head: Row | None, last: Checkpoint) -> bool:
    """Whether the row that was signed is in the chain, or was there when retention removed it."""
    if head is None or head.number < last.number:
        return False
    row = await chain.row(last.number)
    if row is not None:
        return row.hash == last.hash
    anchor = await chain.anchor()
    return anchor is not None and (anchor[0] > last.number or anchor == (last.number, last.hash))
