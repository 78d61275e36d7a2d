"""The real handler of the platform asks people through Nod: `RemoteHITLHandler(callback=ask_people)`."""

from __future__ import annotations

import asyncio
import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from bot.approval import Outcome
from nod import HITLClient
from sandbox.platform import Agent, Platform, Quirks, RiskyTool, open_platform, platform_app
from sandbox.serve import serve

pytestmark = pytest.mark.sdk

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("NOD_SDK_PYTHON", HERE.parents[1] / ".sdk" / "bin" / "python"))
KEY = "key-of-the-day"
CLERK = Agent(
    name="clerk_agent",
    about="Files one thing.",
    steps=(RiskyTool(tool="file_report", arguments={"n": 1}, answer="filed", timeout_seconds=60),),
    final="All done.",
)
#: What the people say, one run each.
ANSWERS = (("approve", "go on"), ("reject", "not today"), ("skip", None))


def both_packages(folder: Path) -> str:
    """A PYTHONPATH that puts Nod beside the client: the checkout, and the one library that the client lacks."""
    found = find_spec("structlog")
    assert found is not None
    assert found.origin is not None
    (folder / "structlog").symlink_to(Path(found.origin).parent)
    return os.pathsep.join([str(HERE.parents[1]), str(folder)])


async def people(url: str) -> list[Outcome]:
    """A person who answers what waits, one request after the other, as Nod does: over the platform."""
    said: list[Outcome] = []
    async with HITLClient(base_url=url, api_key=KEY) as client:
        for verb, note in ANSWERS:
            while not (waiting := await client.list_pending()):
                await asyncio.sleep(0.02)
            said.append(await getattr(client, verb)(waiting[0], note))
    return said


async def drive(platform: Platform, folder: Path) -> tuple[dict[str, object], list[Outcome]]:
    """What the real client saw, and how the people's answers ended."""
    async with serve(platform_app(platform)) as url:
        process = await asyncio.create_subprocess_exec(
            PYTHON,
            HERE / "drive_people.py",
            *[CLERK.id] * len(ANSWERS),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "PYTHONPATH": both_packages(folder),
                "AIP_API_URL": url,
                "AIP_API_KEY": KEY,
            },
        )
        answering = asyncio.create_task(people(url))
        try:
            out, problems = await asyncio.wait_for(process.communicate(), 90)
        finally:
            answering.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode == 0, problems.decode()
    said: dict[str, object] = json.loads(out.decode().splitlines()[-1])
    return said, answering.result()


@pytest.mark.parametrize("forgiving", [False, True], ids=["409 to a second answer", "200 to a second answer"])
async def test_people_answer_for_the_real_handler(tmp_path: Path, forgiving: bool) -> None:
    """The person's answer counts and comes back with its note; the handler's own post of it changes nothing."""
    if not PYTHON.exists():
        pytest.skip(f"the platform's client is not installed at {PYTHON}: run `make sdk`")
    quirks = Quirks(forgiving=forgiving)
    async with open_platform(api_key=KEY, agents=[CLERK], quirks=quirks) as platform:
        said, outcomes = await drive(platform, tmp_path)

        words = [("approved", "go on"), ("rejected", "not today"), ("skipped", None)]
        assert [word for word, _ in words] == [outcome.value for outcome in outcomes]
        assert [["glaip_sdk.hitl.base", *answer] for answer in words] == said["returned"]
        assert [] == said["lost"]
        second = 200 if forgiving else 409
        expected = [post for word, note in words for post in ((word, note, 200), (word, note, second))]
        assert expected == [(p.decision, p.operator_input, p.status) for p in platform.decisions]
        assert 1 == len(platform.executed)
