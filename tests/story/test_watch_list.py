"""What `nod watch` says of what it cannot show, and in which order it shows the rest."""

from __future__ import annotations

import asyncio
from pathlib import Path

from adapters.cli.watch import ASKING, UNREADABLE
from sandbox import platform as sandbox
from tests.servers.system import POLICY
from tests.servers.terminal_rig import PENDING, at_a_terminal, settled

BROKEN = '[{"request_id":"x-1","tool":"","agent_id":"a","arguments":{}}]'


async def test_what_cannot_be_read_still_waits() -> None:
    """It is counted, with the id by which it can be answered; and it is not nothing."""
    async with at_a_terminal(ask=False) as rig:
        await rig.terminal.shows("No pending requests.")
        rig.faults.add(path=PENDING, status=200, body=BROKEN)
        await rig.terminal.shows("1 pending request cannot be read: x-1.", "nod reject ID")
        assert "Nothing" not in await rig.terminal.shows("1 pending request cannot be read: x-1.")


async def test_before_the_first_answer_nobody_knows() -> None:
    """A platform that does not answer does not say that nothing waits."""
    async with at_a_terminal(variables={"AIP_API_URL": "http://127.0.0.1:9"}) as rig:
        await rig.terminal.shows(ASKING)
        await asyncio.sleep(1)
        assert "No pending requests." not in rig.terminal.raw


async def test_a_call_that_cannot_be_read_any_more() -> None:
    """Its sheet goes, and it says why."""
    async with at_a_terminal("--interactive", ask=False) as rig:
        await rig.terminal.shows("No pending requests.")
        request_id = rig.platform.ask(tool="pay", arguments={})
        await rig.terminal.shows("pay for bare_agent")
        rig.faults.add(path=PENDING, status=200, body=BROKEN.replace("x-1", request_id))
        shown = await rig.terminal.shows(UNREADABLE, "1 pending request cannot be read")
        assert "pay for bare_agent" not in shown.partition(UNREADABLE)[2]


async def test_what_is_over_comes_last() -> None:
    """A request that stays listed beyond its deadline comes after those that can be answered."""
    async with at_a_terminal("--interactive", ask=False, quirks=sandbox.Quirks(lingering=True)) as rig:
        rig.platform.ask(tool="old", arguments={}, timeout_seconds=2)
        await rig.terminal.shows("old for bare_agent")
        await rig.terminal.shows("expired")
        for tool in ("fresh", "second"):
            rig.platform.ask(tool=tool, arguments={})
        await rig.terminal.shows("2 more pending")
        rig.terminal.press("\t")
        await rig.terminal.shows("fresh for bare_agent")
        await settled()
        rig.terminal.press("n")
        assert "old for bare_agent" not in await rig.terminal.shows("rejected: fresh", "second for bare_agent")


async def test_the_policys_redaction_covers_the_call(tmp_path: Path) -> None:
    """`redact` of nod.yaml, as on a card; with a file that cannot be used nothing is shown. 2."""
    file = tmp_path / "nod.yaml"
    file.write_text(POLICY + "redact: {names: [badge]}\n")
    for options in ((), ("--interactive",)):
        variables = {"NOD_CONFIG": str(file)}
        async with at_a_terminal(*options, variables=variables, arguments={"badge": "TOPSECRET"}) as rig:
            await rig.terminal.shows("badge")
            assert "TOPSECRET" not in rig.terminal.raw

    file.write_text("routes: [")
    async with at_a_terminal(variables=variables, arguments={"badge": "TOPSECRET"}) as rig:
        assert 2 == await rig.terminal.ends()
        await rig.terminal.shows("nod.yaml")
        assert "TOPSECRET" not in rig.terminal.raw
