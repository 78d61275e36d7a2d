"""`nod check` on the sandbox: what a running bot will need is tried now, the ladder's places and people too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.cli.check import check
from adapters.settings import Environment
from bot.errors import ConfigError
from sandbox.servers import Sandbox, open_sandbox
from tests.servers.system import POLICY, environment

WIDEN = "{at: 80%, do: widen, who: [bob], cards: [slack:C0LOST]}"
FALLBACK = "{at: 90%, do: fallback, cards: [slack:C0FINANCE]}"
ONCALL = "oncall: {sre: {pagerduty: P1234AB, otherwise: ann}}\n"


@pytest.fixture
async def sandbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    """A platform and a Slack, and an environment in which nothing else is set."""
    for field in Environment.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    async with open_sandbox() as opened:
        yield opened


async def checked(
    sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch, *rungs: str, oncall: str = "", **more: str
) -> int:
    """The exit code of `nod check` for the system's policy with these rungs on its last route."""
    last = "    ladder: [{at: 50%, do: ping, who: [olu]}]"
    assert last in POLICY
    policy = POLICY.replace(last, last[:-1] + "".join(f", {rung}" for rung in rungs) + "]") + oncall
    for name, value in environment(sandbox, folder, policy=policy, **more).items():
        monkeypatch.setenv(name, value)
    return await check()


async def test_a_rungs_channel_is_tried(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A channel that only a rung names must take the card as well, and is found wanting before it is needed."""
    assert 1 == await checked(sandbox, tmp_path, monkeypatch, WIDEN, FALLBACK)

    found = [line for line in capsys.readouterr().out.splitlines() if line.startswith("✗")]
    assert [True] == ["C0LOST" in line for line in found], found


async def test_workspace_channels_and_people_go_by_their_names(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has to look up an id; where something is wrong the id follows the name, as in nod.yaml."""
    sandbox.workspace.kick("C0FINANCE")
    assert 1 == await checked(sandbox, tmp_path, monkeypatch)

    said = capsys.readouterr().out
    assert "✓ Slack: signed in to Acme (sandbox) as @nod\n" in said
    assert "✓ Slack: Nod is in #approvals, #nod-alerts\n" in said
    assert "✗ Slack: #finance (slack:C0FINANCE) does not have the bot in it" in said
    assert "✓ People: Ann Albers (Slack), Bob Brandt (Slack), Olu Obi (Slack)\n" in said


def test_a_setting_that_is_missing_is_another_exit_code(tmp_path: Path) -> None:
    """2, so that a script can tell it from an error that was found (1)."""
    nod = Path(sys.executable).with_name("nod")
    done = subprocess.run(
        [nod, "check"], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert (2, "") == (done.returncode, done.stdout)
    assert "AIP_API_URL" in done.stderr


async def test_a_schedule_without_its_key_is_no_good_setting(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named before anything is asked."""
    with pytest.raises(ConfigError, match="PAGERDUTY_API_KEY is not set"):
        await checked(sandbox, tmp_path, monkeypatch, oncall=ONCALL)


async def test_a_schedule_that_does_not_answer_is_advice(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The person who is asked instead is named; nothing keeps the bot from running, unless one is strict."""
    api = {"PAGERDUTY_API_KEY": "k", "NOD_PAGERDUTY_API_URL": "http://127.0.0.1:1"}
    assert 0 == await checked(sandbox, tmp_path, monkeypatch, oncall=ONCALL, **api)

    report = " ".join(capsys.readouterr().out.split())
    assert "! Policy: on call sre: " in report
    assert "so ann is on call" in report.partition("! Policy: on call sre: ")[2]
    assert 1 == await check(strict=True)
