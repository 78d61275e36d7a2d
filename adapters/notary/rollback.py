"""At the start: a database that ends before its last checkpoint, or tells another story, is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import structlog

from adapters.notary.checkpoint import Checkpoint, NoCheckpoint, What
from adapters.notary.shelf import read_checkpoints
from bot.audit import Fact, Row
from bot.errors import ConfigError
from bot.ports import Clock
from bot.protocol import Json

log = structlog.get_logger()


class Chain(Protocol):
    """What is asked of the audit."""

    async def head(self) -> Row | None: ...

    async def row(self, number: int) -> Row | None: ...

    async def note(self, fact: Fact) -> None: ...


async def check_rollback(chain: Chain, path: Path, *, accept: bool, clock: Clock) -> None:
    """Refuse a chain that the last checkpoint at `path` contradicts; or with `accept` record that and go on.

    What was acknowledged after the copy was made is lost then, and the platform's list tells what still waits.
    Those checkpoints are kept beside, under a name with the moment, since they vouch for another chain.

    Raises:
        ConfigError: rows that were signed are gone or others, and nobody accepts it.
        Unavailable: the chain cannot be read.
    """
    last = last_of(await asyncio.to_thread(lines_in, path))
    head = await chain.head()
    if last is None or await _holds(chain, head, last):
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
    aside = path.with_name(f"{path.name}.before-{clock():%Y%m%dT%H%M%S}")
    await asyncio.to_thread(path.rename, aside)
    log.warning("rollback_accepted", signed=last.number, found=found, checkpoints=str(aside))


def lines_in(path: Path) -> tuple[Checkpoint, ...]:
    """All signed lines; none before the first. Raises ConfigError when the file cannot be used."""
    if not path.exists():
        return ()
    try:
        return read_checkpoints(path)
    except NoCheckpoint as error:
        raise ConfigError("NOD_AUDIT_CHECKPOINTS", str(error), "Keep that file, and name another.") from error


def last_of(lines: Sequence[Checkpoint]) -> Checkpoint | None:
    """The one that goes furthest; None before the first that is about a row."""
    rows = (one for one in lines if one.number and one.what is not What.RETIREMENT)
    return max(rows, key=lambda one: one.number, default=None)


async def _holds(chain: Chain, head: Row | None, last: Checkpoint) -> bool:
    if head is None or head.number < last.number:
        return False
    row = await chain.row(last.number)
    return row is None or row.hash == last.hash  # retention may have removed it since, with all before it
