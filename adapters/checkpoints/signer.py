"""Signs the end of the audit chain when it is due, and at start-up refuses a database that ends before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import httpx
import structlog

from adapters.checkpoints.checkpoint import (
    AuditKey,
    Checkpoint,
    CheckpointLog,
    What,
    add,
    checkpoint_of,
    read_or_make_key,
)
from adapters.http import open_client, told
from bot.alerts import TAIL_MISSING, alert_of, over
from bot.audit import GENESIS, Fact, Row
from bot.errors import ConfigError, Unavailable
from bot.ports import Clock, Metrics
from bot.protocol import Json
from bot.records import Alert

log = structlog.get_logger()


class Chain(Protocol):
    """What the signer needs of the audit log."""

    async def head(self) -> Row | None: ...

    async def row(self, number: int) -> Row | None: ...

    async def anchor(self) -> tuple[int, str] | None: ...

    async def note(self, fact: Fact) -> None: ...


async def check_rollback(chain: Chain, *, checkpoint_log: CheckpointLog, accept: bool, clock: Clock) -> None:
    """Refuse a chain that the last checkpoint contradicts; with `accept`, record that and continue.

    Answers that were acknowledged after the copy was made are lost then; the platform's list says what is still
    pending. The old checkpoints are kept in a file with the moment in its name: they belong to another chain.

    Raises:
        ConfigError: signed rows are missing or differ, and `accept` is not set.
        Unavailable: the chain cannot be read.
    """
    last, head = checkpoint_log.last, await chain.head()
    if last is None or await holds(chain, head, last):
        return
    found = head.number if head else 0
    if not accept:
        raise ConfigError(
            where="NOD_DATABASE_URL",
            what=f"the audit log ends at row {found} or was changed, although row {last.number} was signed at"
            f" {last.at}: the database was deleted, replaced or rolled back",
            fix="Restore the right database, or start with --accept-rollback to continue without these rows.",
        )
    body: dict[str, Json] = {"signed": last.number, "hash": last.hash, "signed_at": last.at, "found": found}
    await chain.note(Fact(kind="rollback_accepted", at=clock(), body=body))
    aside = await checkpoint_log.set_aside(clock())
    log.warning("rollback_accepted", signed=last.number, found=found, checkpoints=str(aside))


async def holds(chain: Chain, head: Row | None, last: Checkpoint) -> bool:
    """Whether the signed row is in the chain, or was there when retention removed it."""
    if head is None or head.number < last.number:
        return False
    row = head if head.number == last.number else await chain.row(last.number)
    if row is not None:
        return row.hash == last.hash
    anchor = await chain.anchor()
    return anchor is not None and (anchor[0] > last.number or anchor == (last.number, last.hash))


#: The subject of the alert, and its cause.
AUDIT = "audit"
#: A checkpoint is due after this many rows, or after this time if there is any new row.
EVERY_ROWS = 100
EVERY = timedelta(minutes=5)
#: Seconds for each step of a POST to the webhook.
PATIENCE = 5.0


class Alerts(Protocol):
    """What the signer needs of `bot.store.Alerts`."""

    async def raise_(self, alert: Alert) -> bool: ...

    async def resolve(self, approval_id: str, *, cause: str, how: str) -> None: ...


class CheckpointSigner:
    """Signs how long the chain is. Nothing else waits for it; a failure is retried in the next round.

    While a signed row is missing it signs nothing, neither a checkpoint nor a retirement.
    """

    def __init__(
        self,
        *,
        chain: Chain,
        alerts: Alerts,
        key: AuditKey,
        checkpoint_log: CheckpointLog,
        client: httpx.AsyncClient,
        webhook: str | None,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._chain, self._alerts, self._key, self._path = chain, alerts, key, checkpoint_log.path
        self._last, self._begun = checkpoint_log.last, checkpoint_log.begun
        self._client, self._webhook = client, webhook
        self._clock, self._metrics = clock, metrics
        self._unsent: list[Checkpoint] = []
        self._missing: str | None = None
        self._looked = False

    @property
    def missing(self) -> str | None:
        """Why nothing is signed, in words, as of the last round; None while all signed rows are there."""
        return self._missing

    async def round(self) -> None:
        """Sign if it is due, then send the webhook what it has not received.

        Raises Unavailable when the chain's end cannot be read.
        """
        head, now = await self._chain.head(), self._clock()
        if await self._tail_is_gone(head) or not (self._begun or await self._begin(head)):
            return
        if head is not None and self._is_time(head):
            checkpoint = checkpoint_of(head.number, head.hash, key=self._key, at=now)
            if not await self._write(checkpoint):
                return
            self._last = checkpoint
            self._metrics.count("checkpoint_written")
        await self._tell()

    async def _begin(self, head: Row | None) -> bool:
        """Write the first line of a new file: from here on only signed rows are valid. False: not written.

        Rows that a release without signed retirements removed are accepted as removed.
        """
        gone, now = await self._chain.anchor(), self._clock()
        lines = [checkpoint_of(*gone, key=self._key, at=now, what=What.RETIREMENT)] if gone else []
        number, hash_ = (head.number, head.hash) if head else (0, GENESIS)
        first = checkpoint_of(number, hash_, key=self._key, at=now, what=What.SIGNING)
        self._begun = all([await self._write(line) for line in (*lines, first)])
        if self._begun and number:
            self._last = first
            self._metrics.count("checkpoint_written")
        return self._begun

    async def retire(self, row: Row) -> None:
        """Sign that Nod removes the rows up to this one, before it does.

        Raises Unavailable if it cannot be written, or while rows that were signed are missing.
        """
        if await self._tail_is_gone(await self._chain.head()):
            raise Unavailable("some signed rows of the audit log are missing")
        line = checkpoint_of(row.number, row.hash, key=self._key, at=self._clock(), what=What.RETIREMENT)
        if not await self._write(line):
            raise Unavailable("Nod cannot write the checkpoint file")

    async def _write(self, line: Checkpoint) -> bool:
        try:
            await asyncio.to_thread(add, self._path, line)
        except OSError as error:
            log.error("checkpoint_not_written", path=str(self._path), reason=error.strerror)
            self._metrics.count("checkpoint_not_written")
            return False
        # A later checkpoint covers all rows before it; lines that say more still have to reach the webhook.
        self._unsent = [*(one for one in self._unsent if one.what is not What.CHECKPOINT), line]
        return True

    def _is_time(self, head: Row) -> bool:
        if self._last is None or not self._last.number:
            return True
        new = head.number - self._last.number
        return new >= EVERY_ROWS or (new > 0 and self._clock() - self._last.moment >= EVERY)

    async def _tail_is_gone(self, head: Row | None) -> bool:
        """Raises an alert: to sign on would cover up that signed rows are missing or were rewritten."""
        last = self._last
        if last is None or await holds(self._chain, head, last):
            if self._missing or not self._looked:  # an alert can be from an earlier process
                await self._alerts.resolve(AUDIT, cause=TAIL_MISSING, how=over(TAIL_MISSING))
            self._missing, self._looked = None, True
            return False
        found = head.number if head else 0
        self._missing = f"row {last.number} of the audit log was signed, but is missing or changed now"
        log.error("audit_tail_missing", signed=last.number, found=found)
        self._metrics.count("audit_tail_missing")
        facts = {"row": last.number, "signed": last.at, "found": found}
        await self._alerts.raise_(alert_of(TAIL_MISSING, AUDIT, facts, at=self._clock()))
        return True

    async def _tell(self) -> None:
        if self._webhook is None:
            return
        headers = {"Content-Type": "application/json"}
        while self._unsent:
            line = self._unsent[0]
            try:
                answer = await self._client.post(self._webhook, content=line.line, headers=headers)
                answer.raise_for_status()
            except httpx.HTTPError as error:
                # Neither the address, which can hold a token, nor the response goes into the log.
                log.warning("checkpoint_not_sent", number=line.number, reason=told(error))
                self._metrics.count("checkpoint_not_sent")
                return
            self._unsent = [one for one in self._unsent if one is not line]


@asynccontextmanager
async def open_checkpoint_signer(
    *,
    chain: Chain,
    alerts: Alerts,
    key_path: Path,
    checkpoint_log: CheckpointLog,
    webhook: str | None,
    clock: Clock,
    metrics: Metrics,
) -> AsyncIterator[CheckpointSigner]:
    """A signer with the key at `key_path`, made on first use. It continues from the log's last line.

    Raises ConfigError when the key cannot be used.
    """
    key = await asyncio.to_thread(read_or_make_key, key_path)
    async with open_client(timeout=PATIENCE) as client:
        yield CheckpointSigner(
            chain=chain,
            alerts=alerts,
            key=key,
            checkpoint_log=checkpoint_log,
            client=client,
            webhook=webhook,
            clock=clock,
            metrics=metrics,
        )
