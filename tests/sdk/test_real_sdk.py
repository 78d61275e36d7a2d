"""The platform's own client (glaip-sdk), unchanged, cannot tell the sandbox from a platform.

It lives in an environment of its own because it pins other libraries than Nod; NOD_SDK_PYTHON names its
interpreter.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sandbox.platform import Agent, Platform, RiskyTool, open_platform, platform_app
from sandbox.serve import serve

pytestmark = pytest.mark.sdk

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("NOD_SDK_PYTHON", HERE.parents[1] / ".sdk" / "bin" / "python"))

CLERK = Agent(
    name="clerk_agent",
    about="Files one thing.",
    steps=(RiskyTool(tool="file_report", arguments={"n": 1}, answer="filed", timeout_seconds=30),),
    final="All done.",
)
MAIL = Agent(name="mail_agent", about="Is only looked up.", steps=())


async def drive(platform: Platform, ids: list[str], *, home: Path) -> dict[str, Any]:
    """Let the real client play its scenes against the served platform."""
    async with serve(platform_app(platform)) as url:
        process = await asyncio.create_subprocess_exec(
            PYTHON,
            HERE / "drive_sdk.py",
            json.dumps({"ids": ids, "agent": CLERK.id}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "AIP_API_URL": url,
                "AIP_API_KEY": platform.api_key,
            },
        )
        try:
            out, problems = await asyncio.wait_for(process.communicate(), 90)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode == 0, problems.decode()
    said: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    return said


async def test_the_real_client_is_at_home(tmp_path: Path) -> None:
    """What Nod's users do with the real client works here, with the same words and the same effects."""
    if not PYTHON.exists():
        pytest.skip(f"the platform's client is not installed at {PYTHON}: run `make sdk`")
    async with open_platform(api_key="key of the day", agents=[CLERK, MAIL]) as platform:
        ids = [platform.ask(arguments={"to": f"{number}@example.com"}) for number in range(3)]

        said = await drive(platform, ids, home=tmp_path)

        check_by_hand(said["by_hand"], ids)
        check_by_handler(said)
        check_effects(platform, ids)


def check_by_hand(said: dict[str, Any], ids: list[str]) -> None:
    """Listing and the three decisions, a second decision, and one about nothing."""
    assert ids == said["listed"]
    assert ("send_email", {"to": "0@example.com"}) == (said["item"]["tool"], said["item"]["arguments"])
    for word, request_id in zip(("approve", "reject", "skip"), ids, strict=True):
        decision = {"approve": "approved", "reject": "rejected", "skip": "skipped"}[word]
        assert {"status": "ok", "message": f"Request {request_id} {decision}"} == said[word]
    assert (409, 404) == (said["again"], said["unknown"])


def check_by_handler(said: dict[str, Any]) -> None:
    """The client's own handler: callback, auto-approve, neither; and a person who was faster."""
    asked = [{"tool": "file_report", "timeout_seconds": 30}]
    assert {"asked": asked, "text": "All done."} == said["approve"]
    assert {"asked": asked, "text": "All done."} == said["reject"]
    assert {"asked": [], "text": "All done."} == said["auto"]
    assert {"asked": [], "text": "All done."} == said["nothing"]
    assert {"text": "All done.", "lost": []} == said["resolved_before"]
    assert [MAIL.id] == said["found"]
    assert "Finished." == said["created"]["text"]


def check_effects(platform: Platform, ids: list[str]) -> None:
    """What the platform saw: each decision once, a tool run per approval, the late answer refused."""
    posts = [(post.decision, post.operator_input, post.status) for post in platform.decisions]
    expected = [
        ("approved", "Looks good", 200),
        ("rejected", "Not today", 200),
        ("skipped", None, 200),
        ("rejected", None, 409),
        ("approved", None, 404),
        ("approved", "auto-approved", 200),
        ("approved", "from the callback", 200),
        ("rejected", "from the callback", 200),
        ("approved", "auto-approved", 200),
        ("rejected", "No approval handler configured", 200),
        ("approved", "was faster", 200),
        ("rejected", None, 409),
    ]
    assert sorted(expected, key=str) == sorted(posts, key=str)
    approved = [
        post.request_id for post in platform.decisions if (post.decision, post.status) == ("approved", 200)
    ]
    assert sorted(approved) == sorted(platform.executed)
    assert 5 == len(platform.executed)
    assert ids[0] in platform.executed
