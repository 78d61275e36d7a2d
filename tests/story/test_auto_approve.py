"""`nod run --auto-approve --log FILE`, as in CI: everything is approved, and the record says what."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from sandbox.servers import open_sandbox
from tests.servers.shell import start
from tests.servers.system import POLICY, until

NOD = str(Path(sys.executable).with_name("nod"))


@pytest.mark.parametrize("by", ["option", "variable"])
async def test_everything_is_approved_and_on_record(tmp_path: Path, by: str) -> None:
    """No chat is waited for; the record names tool, agent and the digest of each call, and no argument."""
    (tmp_path / "nod.yaml").write_text(POLICY)
    async with open_sandbox(port=0) as sandbox:
        env = {
            **sandbox.environment(),
            "PATH": os.environ["PATH"],
            "NOD_SECRET": "5f0c2d9ab81e4736" * 4,
            "NOD_PORT": "0",
            "GLAIP_HITL_AUTO_APPROVE": "true" if by == "variable" else "",
        }
        options = ["--auto-approve"] if by == "option" else []
        process = await start("run", *options, "--log", "ci.log", environment=env, folder=tmp_path)
        try:
            request_id = sandbox.platform.ask(tool="pay", arguments={"iban": "DE89370400440532013000"})
            await until(lambda: sandbox.platform.executed == [request_id], within=30)
            process.send_signal(signal.SIGTERM)
            _, said = await asyncio.wait_for(process.communicate(), 20)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    assert 0 == process.returncode, said.decode()
    text = (tmp_path / "ci.log").read_text()
    events = {line["event"]: line for line in map(json.loads, text.splitlines())}
    answered = events["answered_by_rule"]
    assert ("pay", "approved", request_id) == (answered["tool"], answered["verdict"], answered["approval_id"])
    assert 66 == len(answered["digest"])
    assert "auto_approval_is_on" in events
    assert "DE8937" not in text


@pytest.mark.parametrize(
    ("options", "variables", "says"),
    [
        (["--auto-approve", "--log", "ci.log"], {"NOD_ENV": "prod"}, "looks like production"),
        (["--log", "ci.log"], {"NOD_ENV": "prod", "GLAIP_HITL_AUTO_APPROVE": "true"}, "looks like production"),
        ([], {"GLAIP_HITL_AUTO_APPROVE": "true"}, "needs a record of what it approves"),
    ],
    ids=["option", "variable", "variable without a record"],
)
async def test_what_is_refused(
    tmp_path: Path, options: list[str], variables: dict[str, str], says: str
) -> None:
    """Said once where a variable says production, or without a record: nothing starts, and it is 2."""
    env = {"PATH": os.environ["PATH"], "AIP_API_URL": "http://127.0.0.1:1", "AIP_API_KEY": "k"} | variables
    process = await start("run", *options, environment=env, folder=tmp_path)
    _, said = await asyncio.wait_for(process.communicate(), 30)

    assert 2 == process.returncode
    assert says in said.decode()
    assert not (tmp_path / "ci.log").exists()
