"""The measured bots, each in a process of its own, and what they use of the machine."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

ROOT = Path(__file__).parents[1]
SIGNING_SECRET = "s3cret0123456789abcdef"  # noqa: S105 - of the fake Slack
CHANNEL = "C0123456789"
#: Seconds a bot gets to start, on a machine with other work.
READY_WITHIN = 60.0
#: Both bots poll each second.
POLL_EVERY = 1.0
POLICY = f"""
poll_every: {{poll_every}}s
flood: 1000
people:
  ann: {{{{slack: U024BE7LH}}}}
routes:
  - name: default
    match: {{{{}}}}
    cards: [slack:{CHANNEL}]
    approvers: [ann]
alerts: [slack:C0123456780]
"""
NAIVE, NOD = "benchmarks.naive", "benchmarks.unpaced"
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process and those that it began have used so far."""

    cpu: float  #: seconds
    rss: float  #: MB now
    peak: float  #: MB at most

    @classmethod
    def of(cls, pid: int) -> Usage:
        """The kernel's counts; CPU in steps of 10 ms."""
        cpu = rss = peak = 0.0
        for one in _family(pid):
            try:
                stat = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
                lines = Path(f"/proc/{one}/status").read_text().splitlines()
            except OSError:  # it has ended
                continue
            kept = dict(line.split(":", 1) for line in lines)
            cpu += (int(stat[11]) + int(stat[12])) / _TICK
            rss += int(kept.get("VmRSS", "0").split()[0]) / 1024
            peak += int(kept.get("VmHWM", "0").split()[0]) / 1024
        return cls(cpu=cpu, rss=rss, peak=peak)


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            found += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
        except OSError:
            continue
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """A running bot."""

    url: str
    process: asyncio.subprocess.Process
    folder: Path
    ready_after: float  #: seconds from its start until it said that it is ready

    def usage(self) -> Usage:
        """So far."""
        return Usage.of(self.process.pid)

    async def reads(self) -> int:
        """How many SQL statements that read Nod has run; only with `BENCH_READS`."""
        file = self.folder / "reads"
        file.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR2)
        while not (file.exists() and file.read_text().endswith("\n")):
            await asyncio.sleep(0.01)
        return int(file.read_text())


def environment(folder: Path, url: str, **more: str) -> dict[str, str]:
    """The settings of either bot; nothing of what the machine is set up for itself."""
    own = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return {
        **own,
        "PYTHONPATH": str(ROOT),
        "AIP_API_URL": url,
        "AIP_API_KEY": "k",
        "SLACK_API_URL": f"{url}/slack/api/",
        "SLACK_BOT_TOKEN": "xoxb-1",
        "SLACK_SIGNING_SECRET": SIGNING_SECRET,
        "NOD_SECRET": "5f0c2d9ab81e4736" * 2,
        "NOD_CONFIG": str(folder / "nod.yaml"),
        "NOD_DATABASE_URL": f"sqlite:///{folder / 'nod.db'}",
        "NOD_LOG_FORMAT": "json",
        **more,
    }


@asynccontextmanager
async def open_bot(
    module: str, url: str, *, poll_every: float = POLL_EVERY, policy: str = POLICY, **more: str
) -> AsyncIterator[Bot]:
    """One of the bots on the outside at `url`, with files of its own, until closed.

    Raises RuntimeError with the end of its log when it does not get ready.
    """
    with TemporaryDirectory(prefix="nod-bench") as name:
        folder, port = Path(name), free_port()
        (folder / "nod.yaml").write_text(policy.format(poll_every=poll_every))
        given = environment(folder, url, NOD_PORT=str(port), POLL_EVERY=str(poll_every), **more)
        async with child([sys.executable, "-m", module], folder=folder, env=given) as (process, ready_after):
            yield Bot(url=f"http://127.0.0.1:{port}", process=process, folder=folder, ready_after=ready_after)


@asynccontextmanager
async def child(
    command: list[str], *, folder: Path, env: Mapping[str, str], path: str = "/readyz"
) -> AsyncIterator[tuple[asyncio.subprocess.Process, float]]:
    """A process that serves at NOD_PORT; yields once `path` is answered, with the seconds that it took."""
    log = folder / "log"
    with log.open("wb") as out:
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=env, stdout=out, stderr=out)
        try:
            await _until_ready(process, f"http://127.0.0.1:{env['NOD_PORT']}{path}", log)
            yield process, time.perf_counter() - began
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 15)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _until_ready(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    end = time.perf_counter() + READY_WITHIN
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.status != 503:
                        return
            except aiohttp.ClientError:
                pass
            if process.returncode is not None or time.perf_counter() > end:
                raise RuntimeError(f"not ready: {log.read_text()[-2_000:]}")
            await asyncio.sleep(0.01)


def free_port() -> int:
    """A port of loopback that nothing listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
