"""Sends requests over plain connections, as they are, and counts the answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import httpx

from tests.servers.forms import Hostile, Sent

#: Seconds for one answer.
PATIENCE = 60


async def knock(address: str, hostile: Hostile, *, many: int, at_once: int = 2) -> Counter[tuple[str, int]]:
    """Send so many, and count them by kind and status; 0 is a connection that ended without an answer."""
    seen: Counter[tuple[str, int]] = Counter()
    left = iter(range(many))

    async def go() -> None:
        line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        for _ in left:
            one = hostile.one()
            if line is None:
                url = httpx.URL(address)
                line = await asyncio.open_connection(url.host, url.port)
            status, kept = 0, False
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                async with asyncio.timeout(PATIENCE):
                    status, kept = await _ask(*line, one)
            seen[one.kind, status] += 1
            if not kept:
                line[1].close()
                line = None
        if line is not None:
            line[1].close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(go())
    return seen


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, one: Sent) -> tuple[int, bool]:
    """The status of the answer, and whether the connection goes on."""
    fields = {"Host": "nod.example", **one.headers, "Content-Length": str(len(one.body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    writer.write(f"{one.method} {one.path} HTTP/1.1\r\n{head}\r\n".encode() + one.body)
    said = (await reader.readuntil(b"\r\n\r\n")).lower()
    lines = said.split(b"\r\n")
    status = int(lines[0].split(b" ")[1])
    length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)
    if one.method != "HEAD" and status not in (204, 304):
        if b"transfer-encoding: chunked" in said:
            return status, False
        await reader.readexactly(length)
    return status, b"connection: close" not in said
