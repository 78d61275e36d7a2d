"""The notary's rounds: look at the chain's end, sign it when it is time, and hand the word on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import structlog

from adapters.notary.checkpoint import Checkpoint, What, checkpoint_of
from adapters.notary.key import AuditKey, read_or_make_key
from adapters.notary.rollback import last_of, lines_in
from adapters.notary.shelf import add
from adapters.outward import open_client, told
from bot.audit import GENESIS, Row
from bot.errors import Unavailable
from bot.ports import Clock

#: A checkpoint after so many rows, or after this time if there is any new row.
EVERY_ROWS = 100
EVERY = timedelta(minutes=5)
#: Seconds for each step of a POST to the webhook.
PATIENCE = 5.0

log = structlog.get_logger()

Head = Callable[[], Awaitable[Row | None]]
#: Number and hash of the last row that was removed.
Anchored = Callable[[], Awaitable[tuple[int, str] | None]]


class Notary:
    """Signs how far the chain went. Nothing else waits for it; what fails is tried again in the next round."""

    def __init__(
        self,
        *,
        head: Head,
        anchor: Anchored,
        key: AuditKey,
        path: Path,
        last: Checkpoint | None,
        begun: bool,
        client: httpx.AsyncClient,
        webhook: str | None,
        clock: Clock,
        count: Callable[[str], None],
    ) -> None:
        self._head, self._anchor, self._key, self._path = head, anchor, key, path
        self._last, self._begun = last, begun
        self._client, self._webhook = client, webhook
        self._clock, self._count = clock, count
        self._unsent: list[Checkpoint] = []

    async def round(self) -> None:
        """Sign if it is time, then tell the webhook what it has not heard.

        Raises Unavailable when the chain's end cannot be read.
        """
        head, now = await self._head(), self._clock()
        if self._tail_is_gone(head) or not (self._begun or await self._begin(head)):
            return
        if head is not None and self._is_time(head):
            checkpoint = checkpoint_of(head.number, head.hash, key=self._key, at=now)
            if not await self._write(checkpoint):
                return
            self._last = checkpoint
            self._count("checkpoint_written")
        await self._tell()

    async def _begin(self, head: Row | None) -> bool:
        """The first line of a new file: from here on nothing counts that is not signed. False: not written.

        Rows that a release without signed retirements has removed are taken over as they are.
        """
        gone, now = await self._anchor(), self._clock()
        lines = [checkpoint_of(*gone, key=self._key, at=now, what=What.RETIREMENT)] if gone else []
        number, hash_ = (head.number, head.hash) if head else (0, GENESIS)
        first = checkpoint_of(number, hash_, key=self._key, at=now, what=What.SIGNING)
        self._begun = all([await self._write(line) for line in (*lines, first)])
        if self._begun and number:
            self._last = first
            self._count("checkpoint_written")
        return self._begun

    async def retire(self, row: Row) -> None:
        """Sign that Nod removes the rows up to this one, before it does. Raises Unavailable if it cannot be."""
        line = checkpoint_of(row.number, row.hash, key=self._key, at=self._clock(), what=What.RETIREMENT)
        if not await self._write(line):
            raise Unavailable("the file with the checkpoints cannot be written")

    async def _write(self, line: Checkpoint) -> bool:
        try:
            await asyncio.to_thread(add, self._path, line)
        except OSError as error:
            log.error("checkpoint_not_written", path=str(self._path), reason=error.strerror)
            self._count("checkpoint_not_written")
            return False
        # A later checkpoint vouches for all rows before it; what says more is owed to the webhook, too.
        self._unsent = [*(one for one in self._unsent if one.what is not What.CHECKPOINT), line]
        return True

    def _is_time(self, head: Row) -> bool:
        if self._last is None or not self._last.number:
            return True
        new = head.number - self._last.number
        return new >= EVERY_ROWS or (new > 0 and self._clock() - self._last.moment >= EVERY)

    def _tail_is_gone(self, head: Row | None) -> bool:
        """Signing on would cover up that rows we signed are missing or were rewritten."""
        last = self._last
        if last is None or not last.number or (head is not None and head.number > last.number):
            return False
        if head is not None and (head.number, head.hash) == (last.number, last.hash):
            return False
        log.error("audit_tail_missing", signed=last.number, found=head.number if head else 0)
        self._count("audit_tail_missing")
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
                # Neither the address, which may hold a token, nor the answer goes into the log.
                log.warning("checkpoint_not_sent", number=line.number, reason=told(error))
                self._count("checkpoint_not_sent")
                return
            self._unsent = [one for one in self._unsent if one is not line]


@asynccontextmanager
async def open_notary(
    *,
    head: Head,
    anchor: Anchored,
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
    lines = await asyncio.to_thread(lines_in, path)
    last = last_of(lines)
    async with open_client(timeout=PATIENCE) as client:
        yield Notary(
            head=head, anchor=anchor, key=key, path=path, last=last, begun=_begun(lines), client=client,
            webhook=webhook, clock=clock, count=count,
        )  # fmt: skip


async def has_begun(path: Path) -> bool:
    """Whether a line of this file says that everything before it is signed. Raises ConfigError."""
    return _begun(await asyncio.to_thread(lines_in, path))


def _begun(lines: Sequence[Checkpoint]) -> bool:
    return any(one.what is What.SIGNING for one in lines)
