"""Two platforms over HTTP with the same request ids: each gets its own answers, and troubles nobody else."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.cli.answering import answer
from adapters.cli.findings import platform_finding
from adapters.cli.pending import pending
from adapters.settings import Environment, all_sources, read_sources
from bot.errors import ConfigError, Unavailable
from bot.protocol import HITLDecision
from sandbox.platform.approvals import PendingRequest
from sandbox.platform.platform import Platform
from sandbox.servers import API_KEY, Sandbox, open_sandbox
from sandbox.slack.messages import Message
from tests.servers.system import (
    ANN,
    APPROVALS,
    BOB,
    FINANCE,
    System,
    buttons,
    environment,
    open_system,
    said,
    until,
)

#: A card is up, and a decision POSTed, within so many seconds whatever the other platform does.
AT_ONCE = 2.0
SAME = "4d2f8f9e-0000-4000-8000-000000000001"
POLICY = """
poll_every: 200ms
sources:
  eu: {{url: "{url}", key_file: eu.key}}
people:
  ann: {{email: ann@acme.example}}
  bob: {{email: bob@acme.example}}
routes:
  - {{name: europe, match: {{source: eu}}, cards: [slack:C0FINANCE], approvers: [bob]}}
  - {{name: default, match: {{}}, cards: [slack:C0APPROVALS], approvers: [ann]}}
alerts: [slack:C0ALERTS]
"""


@dataclass(kw_only=True)
class Both:
    """The bot on two platforms: `glaip`, whose cards are Ann's, and `eu`, whose cards are Bob's."""

    system: System
    eu: Sandbox

    def ask(self, platform: Platform, request_id: str = SAME, *, tool: str = "pay") -> None:
        """An agent of this platform waits, under this id."""
        request = PendingRequest(
            request_id=request_id, tool=tool, arguments={"to": "ann"}, created_at=platform.now(),
            timeout_seconds=180, agent_id="mail", agent_name="mail", run_id=request_id,
        )  # fmt: skip
        platform.approvals.open(request, awaited=False)

    def ask_both(self) -> None:
        """The same under the same id, at both."""
        self.ask(self.system.sandbox.platform)
        self.ask(self.eu.platform)

    @property
    def told(self) -> tuple[list[str], list[str]]:
        """What `glaip` was told, and what `eu` was."""
        platforms = (self.system.sandbox.platform, self.eu.platform)
        here, there = ([f"{one.request_id}: {one.decision}" for one in p.decisions] for p in platforms)
        return here, there


@asynccontextmanager
async def open_both(folder: Path, **fault: Any) -> AsyncIterator[Both]:
    """With this going wrong at `eu` from the beginning."""
    async with open_sandbox() as eu:
        (folder / "eu.key").write_text(f"{API_KEY}\n")
        if fault:
            eu.faults.add(path="/agents/*", **fault)
        async with open_system(folder, policy=POLICY.format(url=eu.url)) as system:
            yield Both(system=system, eu=eu)


async def cards(both: Both) -> tuple[Message, Message]:
    """That of `glaip`, and that of `eu`, once both are up."""
    return await both.system.shown(APPROVALS), await both.system.shown(FINANCE)


async def test_each_gets_its_own_answer_under_the_same_id(tmp_path: Path) -> None:
    """The route goes by the source, and each card says which asks."""
    async with open_both(tmp_path) as both:
        both.ask_both()
        here, there = await cards(both)
        assert ("mail (glaip)", "mail (eu)") == tuple(
            next(name for name in ("mail (glaip)", "mail (eu)") if name in said(card)) for card in (here, there)
        )
        await both.system.press(BOB, there, "approve")
        await until(lambda: both.told == ([], [f"{SAME}: approved"]))
        await both.system.says(there, "Approved")
        assert buttons(both.system.now(here))
        await both.system.press(ANN, here, "skip")
        await until(lambda: both.told == ([f"{SAME}: skipped"], [f"{SAME}: approved"]))


async def test_a_request_that_left_one_list_has_not_left_the_other(tmp_path: Path) -> None:
    """Someone answers it on the platform `eu`, and the same id at `glaip` goes on waiting."""
    async with open_both(tmp_path) as both:
        both.ask_both()
        here, there = await cards(both)
        async with httpx.AsyncClient(base_url=both.eu.url, headers={"X-API-Key": API_KEY}) as person:
            answer = {"request_id": SAME, "decision": "rejected"}
            assert 200 == (await person.post("/agents/hitl/decision", json=answer)).status_code
        await both.system.says(there, "rejected")
        assert "approve" in str(buttons(both.system.now(here)))
        assert "decide by" in said(both.system.now(here))
        await both.system.press(ANN, here, "approve")
        await until(lambda: both.told == ([f"{SAME}: approved"], [f"{SAME}: rejected"]))


@pytest.mark.parametrize(
    "fault", [{"status": 401}, {"status": 503}, {"delay": 60}, {"reset": True}, {"status": 200, "body": "x"}],
    ids=["shut out", "down", "hanging", "reset", "nonsense"],
)  # fmt: skip
async def test_a_platform_in_trouble_delays_nobody_elses(tmp_path: Path, fault: dict[str, Any]) -> None:
    """Cards and decisions of the other keep their usual time, and clicks go on coming in."""
    async with open_both(tmp_path, **fault) as both:
        both.ask(both.eu.platform)
        began = time.monotonic()
        both.ask(both.system.sandbox.platform)
        card = await both.system.shown(APPROVALS)
        await both.system.press(ANN, card, "approve")
        await until(lambda: both.told[0] == [f"{SAME}: approved"])
        assert time.monotonic() - began < 2 * AT_ONCE
        assert both.system.nod is not None
        async with httpx.AsyncClient(base_url=both.system.nod.address) as probe:
            ready = await probe.get("/readyz")
        assert (200, ["no successful poll of the platform eu yet"]) == (
            ready.status_code, ready.json()["troubles"]
        )  # fmt: skip
        if "delay" in fault:
            return  # the poll that hangs is given up after 15 s
        both.eu.faults.clear()
        assert "mail (eu)" in said(await both.system.shown(FINANCE, within=20))


async def test_the_terminal_names_the_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It lists all; an answer has to say for which it is, and goes to that one."""
    async with open_both(tmp_path) as both:
        both.ask_both()
        settings = Environment.model_validate(environment(both.system.sandbox, tmp_path))
        capsys.readouterr()
        await pending(settings, as_json=True)
        listed = json.loads(capsys.readouterr().out)
        assert [("glaip", SAME), ("eu", SAME)] == [(one["source"], one["request_id"]) for one in listed]
        with pytest.raises(ConfigError, match="Choose one of: glaip, eu"):
            await answer(settings, SAME, HITLDecision.REJECTED, note=None)
        policy = (tmp_path / "nod.yaml").read_text()
        (tmp_path / "nod.yaml").write_text(f"{policy}\n  broken: [")
        with pytest.raises(ConfigError, match="--source glaip"):
            await answer(settings, SAME, HITLDecision.REJECTED, note=None)
        (tmp_path / "nod.yaml").write_text(policy)
        with pytest.raises(ConfigError, match="Did you mean eu"):
            await answer(settings, SAME, HITLDecision.REJECTED, note=None, source="eeu")
        assert 0 == await answer(settings, SAME, HITLDecision.REJECTED, note=None, source="eu")
        await until(lambda: both.told == ([], [f"{SAME}: rejected"]))
        both.eu.faults.add(path="/agents/*", status=503)
        capsys.readouterr()
        with pytest.raises(Unavailable, match="the platform eu answered 503"):
            await pending(settings, as_json=False)
        assert SAME[:8] in capsys.readouterr().out


async def test_the_check_looks_at_each_source(tmp_path: Path) -> None:
    """By its name, with the setting to look at."""
    async with open_both(tmp_path, status=401) as both:
        more = read_sources(tmp_path / "nod.yaml")
        settings = Environment.model_validate(environment(both.system.sandbox, tmp_path))
        here, there = [await platform_finding(one, named=True) for one in all_sources(settings, more)]
        assert (None, "Check sources.eu.key_file and sources.eu.url.") == (here.fix, there.fix)
        assert f"Platform eu at {both.eu.url}: the platform eu answered 401" in there.what


async def test_a_change_of_the_sources_counts_from_the_next_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the log says so. A name that goes is refused: rules would take nothing of the running source."""
    async with open_both(tmp_path) as both:
        assert both.eu.url
        path = tmp_path / "nod.yaml"
        path.write_text(path.read_text().replace("key_file: eu.key", "key_file: eu.key, poll_every: 9s"))
        await until(lambda: "setting=sources" in capsys.readouterr().out, within=15, what="the log to say so")
        path.write_text(path.read_text().replace("  eu: {", "  emea: {").replace("source: eu", "source: emea"))
        alerted = "the source eu was removed, renamed or moved"
        await until(lambda: alerted in str(both.system.alerts()), within=15, what="the alert")
        both.ask(both.eu.platform)
        card = await both.system.shown(FINANCE)  # by the route of the file before
        path.write_text(path.read_text().replace("emea", "eu"))
        await both.system.press(BOB, card, "approve")
        await until(lambda: both.told[1] == [f"{SAME}: approved"])
