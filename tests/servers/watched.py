"""A system whose bot is watched from outside: by a webhook that takes its pages, and by a dead man's switch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from adapters.app import open_nod
from adapters.settings import Environment
from bot.flow.self_check import SELF_CHECK_EVERY
from sandbox.servers import open_sandbox
from tests.servers.heartbeat import DeadMansSwitch, open_switch
from tests.servers.pagers import WEBHOOK_SECRET, Receiver, open_service
from tests.servers.system import POLICY, System, environment, until

#: Seconds within which a fault is paged: the auditor's interval, its second look at a chat, and a moment.
ONE_INTERVAL = SELF_CHECK_EVERY.total_seconds() + 3.0
#: Seconds until all is well again: a look in which nothing is found, after one page that may be put off.
MENDED_WITHIN = 3 * SELF_CHECK_EVERY.total_seconds()


@dataclass(kw_only=True)
class Watched:
    """A system, and what reaches the people who watch over its bot."""

    system: System
    receiver: Receiver
    switch: DeadMansSwitch
    folder: Path
    settings: dict[str, str]

    def told(self, cause: str, *, resolved: bool = False) -> list[str]:
        """What the webhook was told under this cause: alerts, or that they are over."""
        event = "mended" if resolved else "alert"
        bodies = self.receiver.bodies
        return [body["text"] for body in bodies if (body["cause"], body["event"]) == (cause, event)]

    async def paged(self, cause: str, *, within: float = ONE_INTERVAL) -> str:
        """The text of the page with this cause, once it is there."""
        seen = self.receiver.bodies
        await until(lambda: bool(self.told(cause)), within=within, what=f"a page {cause!r}; told {seen}")
        return self.told(cause)[0]

    async def relieved(self, cause: str, *, within: float = MENDED_WITHIN) -> None:
        """The webhook hears that it is over, and the switch that all is well."""
        pings = self.switch.pings
        await until(lambda: bool(self.told(cause, resolved=True)), within=within, what=f"{cause!r} to be over")
        await until(lambda: self.switch.pings > pings, within=within, what="the heartbeat")

    async def silent(self) -> None:
        """The switch hears nothing for a whole interval."""
        pings = self.switch.tries
        await asyncio.sleep(SELF_CHECK_EVERY.total_seconds() + 1)
        assert pings == self.switch.tries, "the heartbeat went on"

    async def alive(self, *, within: float = ONE_INTERVAL) -> None:
        """The switch hears that all is well."""
        await until(lambda: self.switch.pings > 0, within=within, what="the first heartbeat")

    async def health(self) -> tuple[int, str]:
        """What `/healthz` answers."""
        assert self.system.nod is not None
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.system.nod.address}/healthz")
        return answer.status_code, answer.text

    def outside(self) -> dict[str, str]:
        """The settings by which a bot in another process is watched, too."""
        names = ("NOD_WEBHOOK_SECRET", "NOD_HEARTBEAT_URL", "NOD_ALERT_SPOOL")
        return {name: self.settings[name] for name in names}

    def spooled(self) -> list[str]:
        """The causes in the spool file."""
        spool = self.folder / "nod-alerts.jsonl"
        lines = spool.read_text().splitlines() if spool.exists() else []
        return [json.loads(line)["cause"] for line in lines]


@asynccontextmanager
async def open_watched(
    folder: Path, *, policy: Callable[[str], str] = lambda text: text, post_burst: int | None = 4, **more: str
) -> AsyncIterator[Watched]:
    """A sandbox with its bot, both watched. `policy` makes the policy from the usual one."""
    folder.mkdir(exist_ok=True)
    receiver, switch = Receiver(), DeadMansSwitch()
    async with (
        open_service(receiver) as hook,
        open_switch(switch) as heartbeat,
        open_sandbox(post_burst=post_burst) as sandbox,
    ):
        text = policy(POLICY).replace("[slack:C0ALERTS]", f'[slack:C0ALERTS, "webhook:{hook}/hooks/x"]')
        settings = environment(
            sandbox, folder, policy=text, NOD_WEBHOOK_SECRET=WEBHOOK_SECRET, NOD_HEARTBEAT_URL=heartbeat,
            NOD_ALERT_SPOOL=str(folder / "nod-alerts.jsonl"), **more,
        )  # fmt: skip
        system = System(sandbox=sandbox, folder=folder)
        watched = Watched(system=system, receiver=receiver, switch=switch, folder=folder, settings=settings)
        yield watched


@asynccontextmanager
async def open_watched_bot(watched: Watched, *, turn: asyncio.Lock) -> AsyncIterator[Watched]:
    """The bot of a watched system, once its first heartbeat came; clicks are sent to it while it runs.

    `turn` is held while it starts: Alembic migrates one database of a process at a time.
    """
    async with AsyncExitStack() as stack:
        async with turn:
            nod = await stack.enter_async_context(open_nod(Environment.model_validate(watched.settings)))
        watched.system.nod = nod
        watched.system.sandbox.workspace.request_url = f"{nod.address}/slack/events"
        await watched.alive()
        yield watched
