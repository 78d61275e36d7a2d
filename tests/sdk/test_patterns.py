"""The patterns of the platform's guide, played by its own client against the sandbox."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sandbox.platform import Platform, open_platform, platform_app
from sandbox.serve import serve

pytestmark = pytest.mark.sdk

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("NOD_SDK_PYTHON", HERE.parents[1] / ".sdk" / "bin" / "python"))


async def played(platform: Platform, home: Path) -> dict[str, Any]:
    """What the real client says of its runs."""
    async with serve(platform_app(platform)) as url:
        process = await asyncio.create_subprocess_exec(
            PYTHON,
            HERE / "drive_patterns.py",
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


async def test_the_patterns_of_the_guide(tmp_path: Path) -> None:
    """An agent made with the client asks for both its tools, and each pattern answers as the guide says."""
    if not PYTHON.exists():
        pytest.skip(f"the platform's client is not installed at {PYTHON}: run `make sdk`")
    async with open_platform(api_key="key of the day", agents=[]) as platform:
        told = await played(platform, tmp_path)

        assert ["Finished."] * 4 == [
            told["said"].pop(way) for way in ("auto", "environment", "conditional", "logged")
        ]
        skipped = [post.request_id for post in platform.decisions if post.decision == "skipped"]
        assert [f"Request {request_id} skipped" for request_id in skipped] == told["said"]["by hand"]
        assert ["read_report for 40 s", "send_report for 40 s"] == told["lines"]
        assert [
            *[("approved", "auto-approved")] * 4,
            ("approved", "only reads"),
            ("rejected", "sends something"),
            *[("approved", "logged")] * 2,
            *[("skipped", "by hand")] * 2,
        ] == [(post.decision, post.operator_input) for post in platform.decisions if post.status == 200]
        assert 7 == len(platform.executed)
        # The guide has it; the client that is pinned here has not. Nod's own handler has (docs/library.md).
        assert told["interactive"] is False
