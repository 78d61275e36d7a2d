"""The notary's rounds: look at the chain's end, sign it when it is time, and hand the word on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import structlog

from adapters.notary.checkpoint import Checkpoint, checkpoint_of
from adapters.notary.key import AuditKey, read_or_make_key
from adapters.notary.rollback import last_checkpoint
from adapters.notary.shelf import add
from adapters.outward import open_client, told
from bot.audit import Row
from bot.ports import Clock

#: A checkpoint after so many rows, or after this time if there is any new row.
EVERY_ROWS = 100
EVERY = timedelta(minutes=5)
#: Seconds for each step of a POST to the webhook.
PATIENCE = 5.0

log = structlog.get_logger()

Head = Callable[[], Awaitable[Row | None]]


class Notary:
    """Signs how far the chain went. Nothing else waits for it; what fails is tried again in the next round."""

    def __init__(
        self,
        *,
        head: Head,
        key: AuditKey,
        path: Path,
        last: Checkpoint | None,
        client: httpx.AsyncClient,
        webhook: str | None,
        clock: Clock,
        count: Callable[[str], None],
    ) -> None:
        self._head, self._key, self._path, self._last = head, key, path, last
        self._client, self._webhook = client, webhook
        self._clock, self._count = clock, count
        self._unsent: Checkpoint | None = None

    async def round(self) -> None:
        """Sign if it is time, then tell the webhook what it has not heard.

        Raises Unavailable when the chain's end cannot be read.
        """
        head, now = await self._head(), self._clock()
        if self._tail_is_gone(head):
            return
        if head is not None and self._is_time(head):
            checkpoint = checkpoint_of(head, key=self._key, at=now)
            try:
                await asyncio.to_thread(add, self._path, checkpoint)
            except OSError as error:
                log.error("checkpoint_not_written", path=str(self._path), reason=error.strerror)
                self._count("checkpoint_not_written")
                return
            # A later one vouches for all rows before it, so only the latest is owed to the webhook.
            self._last = self._unsent = checkpoint
            self._count("checkpoint_written")
        await self._tell()

    def _is_time(self, head: Row) -> bool:
        if self._last is None:
            return True
        new = head.number - self._last.number
        return new >= EVERY_ROWS or (new > 0 and self._clock() - self._last.moment >= EVERY)

    def _tail_is_gone(self, head: Row | None) -> bool:
        """Signing on would cover up that rows we signed are missing or were rewritten."""
        last = self._last
        if last is None or (head is not None and head.number > last.number):
            return False
        if head is not None and (head.number, head.hash) == (last.number, last.hash):
            return False
        log.error("audit_tail_missing", signed=last.number, found=head.number if head else 0)
        self._count("audit_tail_missing")
        return True

    async def _tell(self) -> None:
        if self._webhook is None or self._unsent is None:
            return
        headers = {"Content-Type": "application/json"}
        try:
            answer = await self._client.post(self._webhook, content=self._unsent.line, headers=headers)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            # Neither the address, which may hold a token, nor the answer goes into the log.
            log.warning("checkpoint_not_sent", number=self._unsent.number, reason=told(error))
            self._count("checkpoint_not_sent")
            return
        self._unsent = None


@asynccontextmanager
async def open_notary(
    *,
    head: Head,
    key_path: Path,
    path: Path,
    webhook: str | None,
    clock: Clock,
    count: Callable[[str], None],
) -> AsyncIterator[Notary]:
    """A notary with the key at `key_path`, made on first use, that goes on from the last line of `path`.

    Raises ConfigError when the key or the file with the checkpoints cannot be used.
    """
    key = await asyncio.to_thread(read_or_make_key, key_path)
    last = await asyncio.to_thread(last_checkpoint, path)
    async with open_client(timeout=PATIENCE) as client:
        yield Notary(
            head=head, key=key, path=path, last=last, client=client, webhook=webhook, clock=clock, count=count
        )  # fmt: skip
