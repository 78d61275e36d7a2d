"""One truth on two surfaces: a chat that was away for a while follows what was decided in the other one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.faults import Rule
from sandbox.teams.messages import Message
from sandbox.teams.people import APPROVALS
from sandbox.teams.tenant import Teams
from tests.servers.system import ANN, System, buttons, open_system, said, until
from tests.servers.system import APPROVALS as ON_SLACK

POLICY = """
poll_every: 200ms
people:
  ann: {email: ann@acme.example}
  bob: {email: bob@acme.example}
routes:
  - name: two
    match: {tool: "pay_*"}
    cards: [slack:C0APPROVALS, teams:approvals]
    approvers: [ann, bob]
    quorum: 2
  - name: default
    match: {}
    cards: [slack:C0APPROVALS, teams:approvals]
    approvers: [ann, bob]
"""
TEAMS, SLACK = "/teams/v3/*", "/api/*"
#: How a chat can be away: it answers that it is down, or too busy, or not at all.
WAYS: dict[str, dict[str, Any]] = {
    "down": {"status": 503},
    "busy": {"status": 429, "headers": {"Retry-After": "1"}},
    "unreachable": {"reset": True},
}
#: Seconds for a card to follow once its chat is back: it was tried a few times, each wait twice the last.
BACK = 12.0


def teams_of(system: System) -> Teams:
    assert system.sandbox.teams is not None
    return system.sandbox.teams


def away(system: System, path: str, way: str) -> Rule:
    """From here on nothing of this chat can be reached, until `faults.clear()`."""
    return system.sandbox.faults.add(path=path, **WAYS[way])


def says(system: System, card: Message) -> str:
    """All that a card in Teams says now, its buttons included."""
    return json.dumps(teams_of(system).now(card).card, ensure_ascii=False)


async def asked(system: System, **request: Any) -> tuple[str, Message]:
    """A request with its card up in both chats; those in Teams are given."""
    teams = teams_of(system)
    await until(lambda: bool(teams.called("page")), within=10, what="the bot to know where it is")
    before = len(teams.cards_in(APPROVALS))
    request_id = system.ask(timeout_seconds=60, **request)
    await until(lambda: len(teams.cards_in(APPROVALS)) > before, within=10, what="Teams")
    await system.shown(ON_SLACK)
    return request_id, teams.cards_in(APPROVALS)[-1]


LADDER = """
poll_every: 200ms
people:
  ann: {email: ann@acme.example}
  bob: {email: bob@acme.example}
routes:
  - name: default
    match: {}
    cards: [PLACE]
    approvers: [ann, bob]
    ladder: [{at: 10%, do: ping, who: [bob]}]
"""


@pytest.mark.parametrize("place", ["slack:C0APPROVALS", "teams:approvals"])
async def test_pings_say_how_it_ended(tmp_path: Path, place: str) -> None:
    """The ping below the card and the direct message are changed once it is answered; no further one comes."""
    policy = LADDER.replace("PLACE", place)
    async with open_system(tmp_path, with_teams=True, policy=policy) as system:
        teams, workspace = teams_of(system), system.sandbox.workspace
        if place.startswith("teams"):
            await until(lambda: bool(teams.called("page")), within=10, what="the bot to know where it is")
        system.ask(timeout_seconds=20)

        def pings() -> list[str]:
            """The messages in the thread and in the personal chat with Bob."""
            if place.startswith("teams"):
                there = [m for m in teams.messages(APPROVALS) if m.root] + teams.dm_of("bob")
                return [json.dumps(message.card, ensure_ascii=False) for message in there]
            thread = [message for message in workspace.messages(ON_SLACK) if message.thread_ts]
            return [said(message) for message in (*thread, *workspace.messages("D0BOB"))]

        await until(lambda: len(pings()) == 2, within=10, what="the pings")
        assert 1 == sum("Waiting for you: send_email" in text for text in pings())
        assert 1 == sum(" left: send_email" in text for text in pings())
        if place.startswith("teams"):
            await teams.press("ann", teams.cards_in(APPROVALS)[-1], "nod_approve")
        else:
            await system.press(ANN, await system.shown(ON_SLACK), "approve")
        ended = "Approved: send_email, by Ann Albers"
        await until(lambda: all(ended in text for text in pings()), within=10, what="the pings to say so")
        assert 2 == len(pings())
        assert not any("Decide by" in text for text in pings())


@pytest.mark.parametrize("way", WAYS)
async def test_teams_follows_when_it_is_back(tmp_path: Path, way: str) -> None:
    """Decided in Slack while Teams is away: the agent has its answer at once, and the card in Teams follows."""
    async with open_system(tmp_path, with_teams=True, policy=POLICY) as system:
        request_id, card = await asked(system)
        slack = await system.shown(ON_SLACK)
        rule = away(system, TEAMS, way)

        await system.press(ANN, slack, "approve")
        await system.says(slack, "Approved: send_email")
        await until(lambda: rule.hits >= 2, within=8, what="more than one try in Teams")
        assert "Approve send_email?" in says(system, card)
        assert ["approved"] == system.effects(request_id)
        system.sandbox.faults.clear()

        await until(lambda: "Approved: send_email" in says(system, card), within=BACK, what="Teams")
        assert "nod_approve" not in says(system, card)
        assert 1 == len(teams_of(system).cards_in(APPROVALS))
        assert ["approved"] == system.effects(request_id)


@pytest.mark.parametrize("way", WAYS)
async def test_slack_follows_when_it_is_back(tmp_path: Path, way: str) -> None:
    """The other way round: decided in Teams while Slack is away."""
    async with open_system(tmp_path, with_teams=True, policy=POLICY) as system:
        request_id, card = await asked(system)
        slack = await system.shown(ON_SLACK)
        rule = away(system, SLACK, way)

        await teams_of(system).press("bob", card, "nod_skip")
        await until(lambda: "Skipped: send_email" in says(system, card), what="Teams")
        await until(lambda: rule.hits >= 2, within=8, what="more than one try in Slack")
        assert buttons(system.now(slack))
        assert ["skipped"] == system.effects(request_id)
        system.sandbox.faults.clear()

        done = await system.says(slack, "Skipped: send_email", within=BACK)
        assert [] == buttons(done)
        assert 1 == len(system.cards(ON_SLACK))
        assert ["skipped"] == system.effects(request_id)


async def test_a_vote_in_one_chat_shows_in_the_other_when_it_is_back(tmp_path: Path) -> None:
    """The first of two votes comes while Teams is away; the second is given there, beside the first."""
    async with open_system(tmp_path, with_teams=True, policy=POLICY) as system:
        request_id, card = await asked(system, tool="pay_invoice")
        slack = await system.shown(ON_SLACK)
        away(system, TEAMS, "down")
        await system.press(ANN, slack, "approve")
        await system.says(slack, "Ann ✓")
        assert "Ann ✓" not in says(system, card)
        system.sandbox.faults.clear()

        await until(lambda: "Ann ✓" in says(system, card), within=BACK, what="Teams")
        await teams_of(system).press("bob", card, "nod_approve")
        await until(lambda: ["approved"] == system.effects(request_id), what="the decision")


async def test_what_was_over_before_a_chat_came_back_is_not_asked_there(tmp_path: Path) -> None:
    """Asked and answered while Teams is away: nobody there is shown a question that has its answer."""
    async with open_system(tmp_path, with_teams=True, policy=POLICY) as system:
        await asked(system)
        rule = away(system, TEAMS, "down")
        request_id = system.ask(timeout_seconds=60)
        slack = await system.shown(ON_SLACK, count=2)
        await until(lambda: rule.hits >= 1, within=8, what="a try in Teams")
        await system.press(ANN, slack, "approve")
        await system.says(slack, "Approved: send_email")
        system.sandbox.faults.clear()

        closed = {"kind": "closed", "approval": request_id}.items()
        await until(lambda: any(closed <= row.items() for row in system.audit()), within=BACK, what="its end")
        assert 1 == len(teams_of(system).cards_in(APPROVALS))
