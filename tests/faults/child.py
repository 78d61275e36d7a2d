"""The bot as a child process that may be killed: started from a warm process, so that a restart is quick."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.faults.launcher import CRASH_AT, run_nod, said_in
from tests.servers.shell import WARM
from tests.servers.system import System, environment, until

#: Seconds a start may take on a machine that has other work too.
START_WITHIN = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One life of the bot, in a process of its own."""

    process: ForkServerProcess
    log: Path

    @property
    def dead(self) -> bool:
        return self.process.exitcode is not None

    @property
    def address(self) -> str | None:
        """Of its web front, once it serves."""
        started = (json.loads(line) for line in said_in(self.log).splitlines() if '"nod_started"' in line)
        return next((line["address"] for line in started), None)

    async def ended(self, *, within: float = START_WITHIN) -> int | None:
        """Its exit code, once it has ended."""
        await until(lambda: self.dead, within=within, what=f"the bot to end; it said {said_in(self.log)}")
        return self.process.exitcode

    def signal(self, number: int) -> None:
        """SIGSTOP, SIGCONT, or one of the launcher's."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    async def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        assert -9 == await self.ended()

    async def stop(self) -> None:
        """The polite way, as a supervisor does."""
        self.process.terminate()
        assert 0 == await self.ended(), said_in(self.log)


@asynccontextmanager
async def open_child(
    system: System, folder: Path, *, policy: str, crash_at: str | None = None, **more: str
) -> AsyncIterator[Child]:
    """The bot on a sandbox, with its database in `folder`; clicks are sent to it once it serves.

    `more` are settings beside the usual ones.

    The block begins when it serves, or is dead already.
    """
    log = folder / f"nod-{len(list(folder.glob('nod-*.log')))}.log"
    (folder / "nod.yaml").write_text(policy)
    settings = environment(system.sandbox, folder, NOD_LOG_FORMAT="json", **more)
    settings |= {"PATH": os.environ["PATH"]} | ({CRASH_AT: crash_at} if crash_at else {})
    process = WARM.Process(target=run_nod, args=(settings, str(log)), daemon=True)
    await asyncio.to_thread(process.start)
    child = Child(process=process, log=log)
    try:
        await until(
            lambda: child.dead or child.address is not None,
            within=START_WITHIN,
            what=f"the bot to start; see {log}",
        )
        system.sandbox.workspace.request_url = f"{child.address}/slack/events" if child.address else None
        yield child
    finally:
        if not child.dead:
            process.kill()
            process.join()
        process.close()
