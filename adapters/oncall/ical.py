"""Schedules that are calendars (RFC 5545): a file, or an address on a host that the operator allows."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from adapters.oncall.services import LARGEST, LIMIT, Fetch
from bot.errors import Forbidden, Gone, Unavailable
from bot.rotation import ScheduleRef

#: So much of a calendar is unfolded at once; until then only another content makes it necessary again.
AHEAD = timedelta(days=1)
#: A content that could not be unfolded is not tried again for so long.
REST = timedelta(minutes=2)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_WHO = "the calendar"
_PROGRAM = "adapters.oncall.unfold"  # it is not imported here: its libraries stay in its own process

Span = tuple[datetime, datetime, str]  #: start, end, who


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What a calendar's content said, or why it could not be unfolded; it holds from `since` until `until`."""

    content: bytes  #: its SHA-256
    since: datetime
    until: datetime
    spans: tuple[Span, ...] = ()
    skipped: tuple[str, ...] = ()  #: events that could not be read, each with the reason
    trouble: str | None = None


class Calendars:
    """Implements `adapters.oncall.Schedules`: everybody whose event is under way.

    An event is about its first ATTENDEE who did not decline, or else about the person in its SUMMARY.
    """

    def __init__(self, *, fetch: Fetch, hosts: Collection[str], limit: float = LIMIT) -> None:
        """`hosts` are those that may be asked; `limit` is what one unfolding may take, in seconds."""
        self._fetch, self._hosts = fetch, frozenset(host.casefold() for host in hosts)
        self._limit = limit
        self._kept: dict[ScheduleRef, _Kept] = {}

    async def on_call(self, ref: ScheduleRef, at: datetime) -> tuple[str, ...]:
        """Read the calendar again; unfold it when its content is new, or a day has gone by."""
        content = await self._read(ref.id)
        digest = hashlib.sha256(content).digest()
        kept = self._kept.get(ref)
        if kept is None or kept.content != digest or not kept.since <= at < kept.until:
            kept = self._kept[ref] = await self._unfolded(content, digest, at)
        if kept.trouble is not None:
            raise Unavailable(kept.trouble)
        return tuple(dict.fromkeys(who for start, end, who in kept.spans if start <= at < end))

    def skipped(self, ref: ScheduleRef) -> tuple[str, ...]:
        """The events that could not be read, each with the reason."""
        kept = self._kept.get(ref)
        return kept.skipped if kept else ()

    async def _unfolded(self, content: bytes, digest: bytes, at: datetime) -> _Kept:
        until = at + AHEAD
        try:
            spans, skipped = await unfolded(content, since=at, until=until, limit=self._limit)
        except Unavailable as error:
            return _Kept(content=digest, since=at, until=at + REST, trouble=str(error))
        return _Kept(content=digest, since=at, until=until, spans=spans, skipped=skipped)

    async def _read(self, place: str) -> bytes:
        if "://" not in place:
            return await asyncio.to_thread(_content_of, Path(place))
        try:
            parts = urlsplit(place)
            host = (parts.hostname or "").casefold()
        except ValueError:
            raise Forbidden(f"the address of {_WHO} cannot be used") from None
        if host not in self._hosts:
            raise Forbidden(f"the host of {_WHO} is not under calendar_hosts")
        if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
            raise Forbidden(f"the address of {_WHO} is not https")
        return await self._fetch.read(place, who=_WHO, headers={"Accept": "text/calendar"})


def _content_of(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise Gone(f"{_WHO} does not exist, or is not a file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except PermissionError:
        raise Forbidden(f"access to {_WHO} is denied") from None
    except OSError as error:
        raise Unavailable(f"{_WHO} cannot be read ({type(error).__name__})") from None
    if len(content) > LARGEST:
        raise Unavailable(f"{_WHO} is larger than a megabyte")
    return content


async def unfolded(
    content: bytes, *, since: datetime, until: datetime, limit: float = LIMIT
) -> tuple[tuple[Span, ...], tuple[str, ...]]:
    """What `adapters.oncall.unfold` says of a calendar, within `limit` seconds; then the process is ended.

    The shifts, and the events that could not be read with the reason for each.

    It gets no environment, so it holds no secret. Raises Unavailable when it took longer, or is no calendar.
    """
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    program = (sys.executable, "-I", "-m", _PROGRAM, since.isoformat(), until.isoformat())
    try:
        process = await asyncio.create_subprocess_exec(
            *program, stdin=pipe, stdout=pipe, stderr=nothing, env={}
        )
    except OSError as error:
        raise Unavailable(f"the process that reads {_WHO} could not start ({type(error).__name__})") from None
    try:
        async with asyncio.timeout(limit):
            said, _ = await process.communicate(content)
    except TimeoutError:
        raise Unavailable(f"reading {_WHO} takes longer than {limit:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        raise Unavailable(f"{_WHO} cannot be parsed")
    answer = json.loads(said)
    spans = tuple(
        (datetime.fromisoformat(start), datetime.fromisoformat(end), who) for start, end, who in answer["spans"]
    )
    return spans, tuple(answer["skipped"])
