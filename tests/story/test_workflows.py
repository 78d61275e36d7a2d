"""Workflows webhooks: channels of Teams that get everything, where nobody can answer; no bot needed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.cli.check import check
from sandbox.servers import open_sandbox
from sandbox.teams.people import APPROVALS as IN_TEAMS
from tests.faults.child import open_child
from tests.faults.launcher import said_in
from tests.servers.flow import SIGNATURE, Flow, open_flow
from tests.servers.system import ANN, System, buttons, environment, open_system, until

POLICY = """
poll_every: 200ms
people:
  ann: {email: ann@acme.example}
  olu: {email: olu@acme.example}
workflows: {ops-feed: "${OPS_FLOW_URL}"}
routes:
  - name: quiet
    match: {tool: "read_*"}
    cards: [slack:C0APPROVALS]
    approvers: [ann]
    ladder: [{at: 20%, do: fallback, cards: [teams:ops-feed]}]
  - name: default
    match: {}
    cards: [slack:C0APPROVALS, teams:ops-feed]
    approvers: [ann]
    ladder: [{at: 50%, do: ping, who: [olu]}]
alerts: [slack:C0ALERTS, teams:ops-feed]
"""
WITH_BOT = POLICY.replace(
    "slack:C0APPROVALS, teams:ops-feed", "slack:C0APPROVALS, teams:approvals, teams:ops-feed"
)
DECISION: dict[str, Any] = {"method": "POST", "path": "/agents/hitl/decision"}


@asynccontextmanager
async def open_feed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, policy: str = POLICY, with_teams: bool = False
) -> AsyncIterator[tuple[System, Flow]]:
    """A system whose policy has the workflow `ops-feed`, and the messages it got."""
    async with open_flow() as flow:
        monkeypatch.setenv("OPS_FLOW_URL", flow.url)
        monkeypatch.setenv("NOD_TEAMS_WEBHOOK_HOSTS", "127.0.0.1")
        async with open_system(folder, policy=policy, with_teams=with_teams) as system:
            yield system, flow


async def told(flow: Flow, number: int, *, within: float = 5) -> list[str]:
    """What the workflow was told, once that are so many messages, and no more come."""
    await until(lambda: len(flow.taken) >= number, within=within, what=f"message {number}; was {flow.told}")
    await asyncio.sleep(0.5)
    assert number == len(flow.taken), flow.told
    return flow.told


async def met(system: System) -> None:
    """The bot knows by now who is in the conversations where it is installed."""
    assert system.sandbox.teams is not None
    asked, before = system.sandbox.teams.called, -1
    while before != len(asked("page")) or not before:
        before = len(asked("page"))
        await asyncio.sleep(0.3)


async def test_a_channel_is_told_of_request_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card without anything to press; then its last look, which says who answered, and no more."""
    async with open_feed(tmp_path, monkeypatch) as (system, flow):
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()
        assert ["Approve send_email?"] == await told(flow, 1)

        await system.press(ANN, card, "approve")

        await system.says(card, "Approved: send_email", within=2)
        assert ["✅ Approved: send_email"] == (await told(flow, 2))[1:]
        assert "Ann Albers" in str(flow.cards[-1])
        assert [] == flow.actions
        assert ["approved"] == system.effects(request_id)


async def test_a_rung_is_told_and_pings_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is pinged is pinged in Slack; the channel reads that it still waits. A rung can bring a card."""
    async with open_feed(tmp_path, monkeypatch) as (system, flow):
        system.ask(timeout_seconds=6)
        card = await system.shown()
        await until(lambda: bool(system.replies(card)), within=6, what="the ping in Slack")
        await until(lambda: flow.says(" left: ") == 1, what="the same in the workflow")
        assert [] == flow.actions

        system.ask(tool="read_mail", timeout_seconds=20)
        await until(lambda: flow.says("Approve read_mail?") == 1, within=16, what="the card of the rung")


async def test_alerts_are_told_and_mended_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in any other channel under `alerts`: once when it breaks, once when it got through."""
    async with open_feed(tmp_path, monkeypatch) as (system, flow):
        system.sandbox.faults.add(**DECISION, times=1, status=403)
        system.ask(timeout_seconds=60)
        await system.press(ANN, await system.shown(), "approve")

        # A refusal of us is probed every 15 s.
        await until(lambda: flow.says("Resolved: ") == 1, within=40, what="the mending")
        assert 1 == flow.says("⚠ Not delivered yet")


async def test_a_workflow_stands_beside_the_bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One policy, two ways into Teams: the name tells which; only the bot's card has buttons."""
    async with open_feed(tmp_path, monkeypatch, policy=WITH_BOT, with_teams=True) as (system, flow):
        teams = system.sandbox.teams
        assert teams is not None
        await met(system)
        request_id = system.ask(timeout_seconds=60)
        await until(lambda: len(teams.cards_in(IN_TEAMS)) == 1, within=10, what="the bot's card")
        assert ["Approve send_email?"] == await told(flow, 1)

        await teams.press("ann", teams.cards_in(IN_TEAMS)[0], "nod_approve")

        await until(lambda: ["approved"] == system.effects(request_id), what="the decision")
        await told(flow, 2)
        assert [] == flow.actions


async def test_a_private_ping_leads_to_the_card_and_not_to_a_feed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message of a webhook has no address: of all places on Teams the ping links the one that has."""
    feeds = ", ".join(f'feed-{n}: "${{OPS_FLOW_URL}}"' for n in range(4))
    cards = ", ".join(f"teams:feed-{n}" for n in range(4))
    policy = POLICY.replace('ops-feed: "${OPS_FLOW_URL}"', f'ops-feed: "${{OPS_FLOW_URL}}", {feeds}').replace(
        "slack:C0APPROVALS, teams:ops-feed", f"{cards}, teams:approvals"
    )
    async with open_feed(tmp_path, monkeypatch, policy=policy, with_teams=True) as (system, _):
        teams = system.sandbox.teams
        assert teams is not None
        await met(system)
        system.ask(timeout_seconds=6)
        await until(lambda: bool(teams.dm_of("olu")), within=8, what="the ping")
        assert "Action.OpenUrl" in json.dumps(teams.dm_of("olu")[0].card)


async def test_a_feed_that_is_down_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack asks and is answered meanwhile; the operator hears which place it is, and no address."""
    async with open_feed(tmp_path, monkeypatch) as (system, flow):
        flow.status = 404
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()
        await until(lambda: "teams:ops-feed" in str(system.alerts()), what="the alert in Slack")
        assert "answered with HTTP 404" in str(system.alerts())
        assert "approve" in str(buttons(system.now(card)))

        await system.press(ANN, card, "approve")

        await system.says(card, "Approved: send_email", within=2)
        assert ["approved"] == system.effects(request_id)
        assert SIGNATURE not in str(system.alerts())


async def test_an_address_that_changes_counts_from_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The log says so; a place on a new workflow is refused, and the old policy stays in force."""
    async with open_feed(tmp_path, monkeypatch) as (system, flow):
        monkeypatch.setenv("NEWS_FLOW_URL", flow.url)
        two = POLICY.replace('_URL}"}', '_URL}", news: "${NEWS_FLOW_URL}"}')
        (tmp_path / "nod.yaml").write_text(two)
        await until(lambda: 2 == _times_in_force(system.audit()), within=6, what="the new policy")
        (tmp_path / "nod.yaml").write_text(two.replace("alerts: [", "alerts: [teams:news, "))
        await until(
            lambda: "teams:news is a new workflow" in str(system.alerts()), within=6, what="the refusal"
        )

    said = "".join(capfd.readouterr())
    assert "counts_from_the_next_start" in said
    assert SIGNATURE not in said


def _times_in_force(rows: Sequence[dict[str, Any]]) -> int:
    return sum(row["kind"] == "policy_in_force" for row in rows)


async def test_the_check_names_a_workflow_and_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message would be seen by everybody in the channel, so the check says that it was not tried."""
    async with open_flow() as flow, open_sandbox() as sandbox:
        more = {"OPS_FLOW_URL": flow.url, "NOD_TEAMS_WEBHOOK_HOSTS": "127.0.0.1"}
        for name, value in environment(sandbox, tmp_path, policy=POLICY, **more).items():
            monkeypatch.setenv(name, value)

        assert 0 == await check()

        assert "Workflows: teams:ops-feed (not tested: a test would post a message)" in capsys.readouterr().out
        assert [] == flow.taken


async def test_the_address_is_told_nobody(tmp_path: Path) -> None:
    """With messages, refusals and a lost answer behind it: no log, row, alert or message has it."""
    async with open_flow() as flow, open_sandbox() as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        more = {"OPS_FLOW_URL": flow.url, "NOD_TEAMS_WEBHOOK_HOSTS": "127.0.0.1"}
        async with open_child(system, tmp_path, policy=POLICY, **more) as bot:
            system.ask(timeout_seconds=60)
            card = await system.shown()
            await until(lambda: len(flow.taken) == 1, what="the card")
            flow.status = 502
            await system.press(ANN, card, "approve")
            await until(lambda: "card_put_off" in said_in(bot.log), what="a lost answer")
            flow.status = 403
            system.ask(timeout_seconds=60)
            await until(lambda: "teams:ops-feed" in str(system.alerts()), what="the alert")
            kept = json.dumps(system.audit())
            sent = json.dumps([call.args for call in sandbox.workspace.calls], default=str)
            written = said_in(bot.log)
        rows = b"".join(path.read_bytes() for path in tmp_path.glob("nod.db*") if path.is_file()).decode(
            "latin-1"
        )

    assert "teams:ops-feed" in kept
    for place in (kept, sent, written, rows):
        assert SIGNATURE not in place
        assert "/workflows/1/run" not in place
