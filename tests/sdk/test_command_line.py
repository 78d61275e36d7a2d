"""The platform's own command line, `aip`, against the sandbox: documented commands, and what they say.

What it cannot do here, and why:

- list, decide or audit approvals: version 0.9.16 has no command for it; the guide uses REST or the client.
- `aip update`, and the notice about a newer version: they ask a server on the internet. With `--no-tty` there
  is no notice.
- `aip configure`, and `aip` alone: prompts for a terminal.
- runs with `local=True`: they need the platform's runtime and a language model.
- `aip agents update`, `aip tools update` and `script`, `aip mcps create`: they touch no approval, so the
  sandbox has no such routes.
- `aip agents sync-langflow`: it reaches another server.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.protocol import HITLRequest
from nod import HITLClient
from sandbox.platform import Agent, Platform, open_platform, platform_app
from sandbox.serve import serve

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("NOD_SDK_PYTHON", HERE.parents[1] / ".sdk" / "bin" / "python"))
KEY = "key-of-the-day"
TOOL = """
from langchain_core.tools import BaseTool


class FileReport(BaseTool):
    name: str = "file_report"
    description: str = "Files a report."

    def _run(self, action: str) -> str:
        return "filed"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """`aip` of a person with a home directory, and what it talks to."""

    platform: Platform
    url: str
    home: Path

    async def __call__(self, *words: str, code: int = 0) -> str:
        """What the command prints, both ways; it must end with `code`."""
        process = await asyncio.create_subprocess_exec(
            PYTHON.with_name("aip"),
            "--no-tty",
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.home,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "COLUMNS": "200",
                "HTTPS_PROXY": "http://127.0.0.1:9",  # nothing but the sandbox can be reached
            },
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(), 60)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert code == process.returncode, out.decode()
        return out.decode()

    async def signs_in(self) -> str:
        """The command of the guide; `aip` reads its accounts, not the environment."""
        return await self("accounts", "add", "sandbox", "--url", self.url, "--key", KEY)

    def writes(self, name: str, text: str) -> str:
        """A file in their home directory."""
        path = self.home / name
        path.write_text(text)
        return str(path)


@pytest.fixture
async def aip(tmp_path: Path) -> AsyncIterator[CommandLine]:
    if not PYTHON.with_name("aip").exists():
        pytest.skip(f"the platform's client is not installed at {PYTHON}: run `make sdk`")
    talker = Agent(name="talker_agent", about="Talks.", steps=())
    async with open_platform(api_key=KEY, agents=[talker]) as platform, serve(platform_app(platform)) as url:
        yield CommandLine(platform=platform, url=url, home=tmp_path)


async def asked(client: HITLClient) -> HITLRequest:
    """The request that comes up."""
    async with asyncio.timeout(30):
        while not (waiting := await client.list_pending()):
            await asyncio.sleep(0.05)
    return waiting[0]


async def test_an_account(aip: CommandLine) -> None:
    """`aip accounts add` and `aip status`: it finds the sandbox, and says so when the key is wrong."""
    assert "Account 'sandbox' saved successfully" in await aip.signs_in()
    assert "Resources: agents 1, tools 0, mcps 0" in await aip("status")

    await aip("accounts", "add", "other", "--url", aip.url, "--key", "wrong")
    assert "HTTP 401: Invalid or missing API key" in await aip("accounts", "use", "other", code=1)


async def test_a_tool(aip: CommandLine) -> None:
    """`aip tools create`, `list`, `get`, `delete`: an upload is kept, a second one is refused."""
    await aip.signs_in()
    path = aip.writes("file_report.py", TOOL)

    made = json.loads(await aip("tools", "create", path, "--json"))

    assert "file_report" == made["name"]
    assert [(made["id"], "file_report")] == [
        (tool["id"], tool["name"]) for tool in json.loads(await aip("tools", "list", "--json"))
    ]
    assert "already exists" in await aip("tools", "create", path, code=1)
    assert made["id"] == json.loads(await aip("tools", "get", "file_report", "--json"))["id"]
    await aip("tools", "delete", made["id"], "--yes")
    assert () == aip.platform.tools()


async def test_an_agent_that_asks(aip: CommandLine) -> None:
    """`aip agents create --import` and `aip agents run`: the run waits for a person, as the file says."""
    await aip.signs_in()
    tool = json.loads(await aip("tools", "create", aip.writes("file_report.py", TOOL), "--json"))
    about: dict[str, Any] = {
        "name": "hitl_approval_agent",
        "instruction": "File the report.",
        "type": "config",
        "framework": "langchain",
        "version": "1.0",
        "tools": [tool["id"]],
        "agent_config": {"hitl_enabled": True, "lm_provider": "openai", "lm_name": "gpt-5-nano"},
        "tool_configs": {tool["id"]: {"hitl": {"timeout_seconds": 40}}},
    }

    made = json.loads(
        await aip("agents", "create", "--import", aip.writes("agent.json", json.dumps(about)), "--json")
    )

    assert (True, about["tool_configs"]) == (made["agent_config"]["hitl_enabled"], made["tool_configs"])
    async with HITLClient(base_url=aip.url, api_key=KEY) as client:
        running = asyncio.create_task(aip("agents", "run", "hitl_approval_agent", "Please file it."))
        try:
            request = await asked(client)
            assert ("file_report", 40) == (request.tool_name, request.timeout_seconds)
            await client.approve(request.request_id, "Looks good")
            said = await running
        finally:
            running.cancel()
        assert "Please file it." in said
        assert "Finished." in said
        assert [request.request_id] == aip.platform.executed
        page = await client.audit(agent_id=made["id"], decision_type="approved", limit=1)
        assert (1, {"operator_input": "Looks good"}) == (page.total, page.records[0].metadata)
    assert "deleted" in await aip("agents", "delete", made["id"], "--yes")
