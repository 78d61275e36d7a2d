"""`nod run` as an operator meets it: one database each, a clean end, and one clear line for each mistake."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox.servers import open_sandbox
from tests.servers.shell import Command, start
from tests.servers.system import POLICY, System, environment

#: Seconds until a process has started or failed; importing takes most of it, more when others work too.
WITHIN = 30.0


@asynccontextmanager
async def nod_run(settings: Mapping[str, str]) -> AsyncIterator[Command]:
    """`nod run` with these settings and no others, until the block ends."""
    process = await start("run", environment={"PATH": os.environ["PATH"], **settings}, folder=Path.cwd())
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def serving(process: Command) -> None:
    """Wait until the bot says that it has started."""
    async with asyncio.timeout(WITHIN):
        await process.says("nod_started")


async def refusal(settings: Mapping[str, str], *, things: int = 1) -> str:
    """What `nod run` says when it cannot start: exit code 2, a line for each of the `things`, no traceback."""
    async with nod_run(settings) as process:
        async with asyncio.timeout(WITHIN):
            _, said = await process.communicate()
    assert 2 == process.returncode, said.decode()
    lines = said.decode().splitlines()
    assert things == len(lines), said.decode()
    assert all(line.startswith("nod: ") for line in lines), said.decode()
    return said.decode()


async def test_a_second_process_on_the_same_database_is_refused(tmp_path: Path) -> None:
    """Two bots on one SQLite file would both post: the second one ends at once and names the first."""
    async with open_sandbox() as sandbox:
        settings = environment(sandbox, tmp_path)
        async with nod_run(settings) as first:
            await serving(first)

            line = await refusal(settings)

            assert "NOD_DATABASE_URL" in line
            assert f"pid {first.pid}" in line
            assert first.returncode is None


async def test_after_the_first_was_killed_the_next_may_start(tmp_path: Path) -> None:
    """The lock dies with its process: nothing has to be cleaned up by hand after kill -9."""
    async with open_sandbox() as sandbox:
        settings = environment(sandbox, tmp_path)
        async with nod_run(settings) as first:
            await serving(first)
            first.kill()
            await first.wait()

            async with nod_run(settings) as second:
                await serving(second)
                assert (-signal.SIGKILL, None) == (first.returncode, second.returncode)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_polite_signal_ends_it_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    """A supervisor's SIGTERM, or Ctrl-C: exit code 0 within five seconds, with an approval under way."""
    async with open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        system.ask(timeout_seconds=60)
        async with nod_run(environment(sandbox, tmp_path)) as process:
            await serving(process)
            await system.shown()

            process.send_signal(number)

            async with asyncio.timeout(5):
                _, said = await process.communicate()
            assert 0 == process.returncode
            assert b"nod_stopped" in said
            assert b"Traceback" not in said


async def test_a_bad_setting_is_named_with_its_remedy(tmp_path: Path) -> None:
    """A wrong setting is reported by its name, and the message says how to fix it."""
    async with open_sandbox() as sandbox:
        settings = environment(sandbox, tmp_path)

        assert "AIP_API_URL" in await refusal({**settings, "AIP_API_URL": "localhost:8000"})
        assert "is not set" in await refusal({k: v for k, v in settings.items() if k != "AIP_API_KEY"})
        shown = await refusal({**settings, "SLACK_BOT_TOKEN": "not-a-secret-of-slack"})

        assert "must begin with xoxb-" in shown
        assert "not-a-secret-of-slack" not in shown


async def test_a_bad_policy_is_named_by_its_line(tmp_path: Path) -> None:
    """A mistake in nod.yaml is told with file and line, whether it is no YAML or no policy."""
    async with open_sandbox() as sandbox:
        file = tmp_path / "nod.yaml"
        settings = environment(sandbox, tmp_path)
        for right, wrong in (
            ("    approvers: [approvers]", "    approvers: [approvres]"),
            ("poll_every: 200ms", "pol_every: 200ms"),
            ("alerts: [slack:C0ALERTS]", "alerts: [slack:C0ALERTS"),
        ):
            file.write_text(POLICY.replace(right, wrong, 1))
            broken = file.read_text().splitlines().index(wrong) + 1
            after_the_end = len(file.read_text().splitlines()) + 1

            line = await refusal(settings)

            assert f"{file}, line " in line
            assert int(line.split(", line ")[1].split(":")[0]) in (broken, after_the_end)


async def test_without_a_chat_it_points_at_the_demo(tmp_path: Path) -> None:
    """A person who has no Slack yet reads how to try Nod without any account."""
    async with open_sandbox() as sandbox:
        settings = environment(sandbox, tmp_path)

        without = {name: value for name, value in settings.items() if not name.startswith("SLACK_")}
        line = await refusal(without, things=2)  # the bot's token, and a way for clicks to arrive

        assert "SLACK_BOT_TOKEN" in line
        assert "nod demo" in line
