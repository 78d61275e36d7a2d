"""The relay between the platform's own client and the platform: no byte is changed, and the bot is told."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.relay import open_relay, serve_relay
from nod import HITLClient
from sandbox.platform import Agent, Platform, RiskyTool, open_platform, platform_app
from sandbox.serve import serve

pytestmark = pytest.mark.sdk

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("NOD_SDK_PYTHON", HERE.parents[1] / ".sdk" / "bin" / "python"))
KEY = "key-of-the-day"
CLERK = Agent(
    name="clerk_agent",
    about="Files one thing.",
    steps=(RiskyTool(tool="file_report", arguments={"to": "Zoë"}, answer="filed", timeout_seconds=60),),
    final="All done.",
)


@dataclass(kw_only=True)
class Exchange:
    """One request and its answer, in bytes."""

    line: str
    asked: bytearray = field(default_factory=bytearray)
    status: int = 0
    answered: bytearray = field(default_factory=bytearray)


class Recorder:
    """Keeps every exchange of an app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.exchanges: list[Exchange] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(line=f"{scope['method']} {scope['path']}?{scope['query_string']!r}")
        self.exchanges.append(exchange)

        async def hear() -> Message:
            message = await receive()
            exchange.asked += message.get("body", b"")
            return message

        async def tell(message: Message) -> None:
            exchange.status = message.get("status", exchange.status)
            exchange.answered += message.get("body", b"")
            await send(message)

        await self._app(scope, hear, tell)


async def people(url: str, platform: Platform) -> None:
    """A person who answers the last run, for which the client has no handler, straight on the platform."""
    async with HITLClient(base_url=url, api_key=KEY) as client:
        while len(platform.decisions) < 2 or not (waiting := await client.list_pending()):
            await asyncio.sleep(0.02)
        await client.approve(waiting[0])


async def drive(url: str, home: Path) -> dict[str, str]:
    """What the real client says of its three runs at this address."""
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        HERE / "drive_relay.py",
        CLERK.id,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "AIP_API_URL": url, "AIP_API_KEY": KEY},
    )
    try:
        out, problems = await asyncio.wait_for(process.communicate(), 90)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, problems.decode()
    said: dict[str, str] = json.loads(out.decode().splitlines()[-1])
    return said


async def test_the_real_client_cannot_tell_the_relay_from_the_platform(tmp_path: Path) -> None:
    """Its runs end as ever; each request and each stream is the same on both sides of the relay."""
    if not PYTHON.exists():
        pytest.skip(f"the platform's client is not installed at {PYTHON}: run `make sdk`")
    woken: list[int] = []
    async with open_platform(api_key=KEY, agents=[CLERK]) as platform:
        behind = Recorder(platform_app(platform))
        async with (
            serve(behind) as platform_url,
            open_relay(platform_url, wake=lambda: woken.append(1)) as app,
            serve_relay(front := Recorder(app), host="127.0.0.1", port=0) as url,
        ):
            answering = asyncio.create_task(people(platform_url, platform))
            try:
                said = await drive(url, tmp_path)
            finally:
                answering.cancel()

    runs = [bytes(exchange.answered) for exchange in front.exchanges if "/run?" in exchange.line]
    assert [] == [exchange for exchange in front.exchanges if exchange not in behind.exchanges]
    assert 3 == len(runs)
    assert all(run.endswith(b"data: [DONE]\n\n") and b'"pending"' in run for run in runs)
    assert dict.fromkeys(("auto", "callback", "people"), "All done.") == said
    assert ["approved", "rejected", "approved"] == [post.decision for post in platform.decisions]
    assert 2 == len(platform.executed)
    assert 6 <= len(woken)  # each run's question, and how it ended
