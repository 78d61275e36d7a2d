"""What `nod watch` says of what it cannot show, and in which order it shows the rest."""

from __future__ import annotations

import asyncio
from pathlib import Path

from adapters.cli.watch import ASKING, UNREADABLE
from sandbox import platform as sandbox
from tests.servers.seat import PENDING, seated, settled
from tests.servers.town import POLICY

BROKEN = '[{"request_id":"x-1","tool":"","agent_id":"a","arguments":{}}]'


async def test_what_cannot_be_read_still_waits() -> None:
    """It is counted, with the id by which it can be answered; and it is not nothing."""
    async with seated(ask=False) as seat:
        await seat.terminal.shows("No pending requests.")
        seat.faults.add(path=PENDING, status=200, body=BROKEN)
        await seat.terminal.shows("1 cannot be read: x-1.", "nod reject ID")
        assert "Nothing" not in await seat.terminal.shows("1 cannot be read: x-1.")


async def test_before_the_first_answer_nobody_knows() -> None:
    """A platform that does not answer does not say that nothing waits."""
    async with seated(variables={"AIP_API_URL": "http://127.0.0.1:9"}) as seat:
        await seat.terminal.shows(ASKING)
        await asyncio.sleep(1)
        assert "No pending requests." not in seat.terminal.raw


async def test_a_call_that_cannot_be_read_any_more() -> None:
    """Its sheet goes, and it says why."""
    async with seated("--interactive", ask=False) as seat:
        await seat.terminal.shows("No pending requests.")
        request_id = seat.platform.ask(tool="pay", arguments={})
        await seat.terminal.shows("pay for bare_agent")
        seat.faults.add(path=PENDING, status=200, body=BROKEN.replace("x-1", request_id))
        await seat.terminal.shows(UNREADABLE, "1 cannot be read")


async def test_what_is_over_comes_last() -> None:
    """A request that stays listed beyond its deadline stands behind those that can be answered."""
    async with seated("--interactive", ask=False, quirks=sandbox.Quirks(lingering=True)) as seat:
        seat.platform.ask(tool="old", arguments={}, timeout_seconds=2)
        await seat.terminal.shows("old for bare_agent")
        await seat.terminal.shows("expired")
        for tool in ("fresh", "second"):
            seat.platform.ask(tool=tool, arguments={})
        await seat.terminal.shows("2 more pending")
        seat.terminal.press("\t")
        await seat.terminal.shows("fresh for bare_agent")
        await settled()
        seat.terminal.press("n")
        await seat.terminal.shows("rejected: fresh", "second for bare_agent")


async def test_the_policys_redaction_covers_the_call(tmp_path: Path) -> None:
    """`redact` of nod.yaml, as on a card; with a file that cannot be used nothing is shown. 2."""
    file = tmp_path / "nod.yaml"
    file.write_text(POLICY + "redact: {names: [badge]}\n")
    for options in ((), ("--interactive",)):
        variables = {"NOD_CONFIG": str(file)}
        async with seated(*options, variables=variables, arguments={"badge": "TOPSECRET"}) as seat:
            await seat.terminal.shows("badge")
            assert "TOPSECRET" not in seat.terminal.raw

    file.write_text("routes: [")
    async with seated(variables=variables, arguments={"badge": "TOPSECRET"}) as seat:
        assert 2 == await seat.terminal.ends()
        await seat.terminal.shows("nod.yaml")
        assert "TOPSECRET" not in seat.terminal.raw
