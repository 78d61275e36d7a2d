"""Microsoft's own Agents Playground as a client of Nod: its server, and an ear between the two.

npm package `@microsoft/m365agentsplayground`, 0.2.28; nothing of it is in this repository.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.serve import serve

#: Names the folder of the installed package; its command is `cli.js`.
VARIABLE = "NOD_PLAYGROUND"
PEOPLE = Path(__file__).parents[2] / "docs/agentsplayground.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One activity of the Playground, and what Nod answered."""

    activity: dict[str, Any]
    status: int
    answer: Any  #: parsed; None where there was no body

    @property
    def worst(self) -> int:
        """The HTTP status, or that of the invoke response inside, whichever is higher."""
        inside = self.answer.get("statusCode", 0) if isinstance(self.answer, dict) else 0
        return max(self.status, inside)


@dataclass(slots=True)
class Ear:
    """Passes activities on, and remembers them."""

    forward_to: str = ""
    told: list[Told] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        headers = {"content-type": request.headers.get("content-type", "")}
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            answer = await client.post(self.forward_to, content=body, headers=headers)
        kind = answer.headers.get("content-type", "")
        if body:  # the Playground begins with a request of nothing, to see whether anybody is there
            said = json.loads(answer.content) if kind.startswith("application/json") else None
            self.told.append(Told(activity=json.loads(body), status=answer.status_code, answer=said))
        return Response(answer.content, answer.status_code, media_type=kind)

    def of(self, user: str, behind: int) -> list[Told]:
        """What one user did after the first `behind` activities."""
        return [told for told in self.told[behind:] if told.activity["from"]["id"] == user]

    def invokes(self, verb: str) -> list[Told]:
        """The presses of one kind of button."""
        return [
            told
            for told in self.told
            if told.activity["type"] == "invoke" and told.activity["value"]["action"]["verb"] == verb
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Playground:
    """A running Playground."""

    url: str
    ear: Ear


def installed() -> Path:
    """The package's command; without it the test is skipped, and says so."""
    folder = os.environ.get(VARIABLE)
    command = Path(folder or "") / "cli.js"
    if not folder or not command.exists() or shutil.which("node") is None:
        pytest.skip(f"set {VARIABLE} to the folder of @microsoft/m365agentsplayground (docs/teams.md)")
    return command


@asynccontextmanager
async def open_playground(folder: Path) -> AsyncIterator[Playground]:
    """The Playground for as long as the block runs; `ear.forward_to` is to be set to the bot's address."""
    command = installed()
    (folder / ".m365agentsplayground.yml").write_bytes(PEOPLE.read_bytes())
    ear, port = Ear(), _free_port()

    async def heard(request: Request) -> Response:
        return await ear(request)

    async with serve(Starlette(routes=[Route("/api/messages", heard, methods=["GET", "POST"])])) as url:
        process = await asyncio.create_subprocess_exec(
            "node", str(command), "-e", f"{url}/api/messages", "-c", "msteams", "-p", str(port),
            "--disable-telemetry",
            cwd=folder, env={"PATH": os.environ["PATH"], "HOME": str(folder), "BROWSER": "none"},
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await _listening(port)
            yield Playground(url=f"http://localhost:{port}/", ear=ear)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _listening(port: int, *, within: float = 20) -> None:
    async with asyncio.timeout(within):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            await writer.wait_closed()
            return


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
