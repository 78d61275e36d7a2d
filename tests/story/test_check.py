"""`nod check` on the sandbox: what a running bot will need is tried now, the ladder's places and people too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.cli.check import check
from adapters.settings import Environment
from bot.errors import ConfigError
from sandbox.town import Sandbox, open_sandbox
from tests.servers.town import POLICY, environment

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
    """The exit code of `nod check` for the town's policy with these rungs on its last route."""
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


async def test_a_schedule_without_its_key_is_no_good_setting(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named before anything is asked."""
    with pytest.raises(ConfigError, match="PAGERDUTY_API_KEY: is not set"):
        await checked(sandbox, tmp_path, monkeypatch, oncall=ONCALL)


async def test_a_schedule_that_does_not_answer_is_advice(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The person who is asked instead is named; nothing keeps the bot from running, unless one is strict."""
    api = {"PAGERDUTY_API_KEY": "k", "NOD_PAGERDUTY_API_URL": "http://127.0.0.1:1"}
    assert 0 == await checked(sandbox, tmp_path, monkeypatch, oncall=ONCALL, **api)

    report = " ".join(capsys.readouterr().out.split())
    assert "! Policy: on call sre: " in report
    assert "so ann is asked" in report.partition("! Policy: on call sre: ")[2]
    assert 1 == await check(strict=True)
