"""Teams, first-class: a card in a channel, an answer by Universal Action, and one truth with Slack."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sandbox.teams.messages import Message
from sandbox.teams.people import APPROVALS
from sandbox.teams.tenant import Teams
from tests.servers.system import ANN, BOB, System, buttons, open_system, until
from tests.servers.system import APPROVALS as ON_SLACK

POLICY = """
poll_every: 200ms
people:
  ann: {email: ann@acme.example}
  bob: {email: bob@acme.example}
  olu: {email: olu@acme.example}
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
    ladder: [{at: 50%, do: ping, who: [olu]}]
alerts: [slack:C0ALERTS]
"""


def teams_of(system: System) -> Teams:
    assert system.sandbox.teams is not None
    return system.sandbox.teams


async def card_in_teams(system: System, *, number: int = 1) -> Message:
    teams = teams_of(system)
    await until(lambda: len(teams.cards_in(APPROVALS)) >= number, within=10, what="the card in Teams")
    return teams.cards_in(APPROVALS)[number - 1]


def text_of(system: System, message: Message) -> str:
    return json.dumps(teams_of(system).now(message).card, ensure_ascii=False)


async def until_known(system: System) -> None:
    """The bot learned where it is installed a moment ago; who is there is looked up after that."""
    teams = teams_of(system)
    seen = -1
    while seen != len(teams.called("page")) or not seen:
        seen = len(teams.called("page"))
        await asyncio.sleep(0.3)


async def test_an_approval_in_teams_reaches_the_agent_and_both_cards(tmp_path: Path) -> None:
    """Ann approves in Teams: the platform hears once, and both cards say so within 2 s."""
    async with open_system(tmp_path, with_teams=True, policy=POLICY) as system:
        await until_known(system)
        request_id = system.ask(timeout_seconds=60)
        card, slack = await card_in_teams(system), await system.shown(ON_SLACK)

        result = await teams_of(system).press("ann", card, "nod_approve")

        assert 200 == result.status
        await system.says(slack, "Approved: send_email", within=2)
        assert [] == buttons(system.now(slack))
        await until(lambda: "Approved: send_email" in text_of(system, card), within=2, what="the card in Teams")
        assert "Ann Albers" in text_of(system, card)
        assert ["approved"] == system.effects(request_id)


async def test_an_approval_in_slack_ends_the_card_in_teams(tmp_path: Path) -> None:
    """The other way round: no button is left in Teams, and a press on an old client's look is late."""
    async with open_system(tmp_path, with_teams=True, policy=POLICY) as system:
        await until_known(system)
        request_id = system.ask(timeout_seconds=60)
        card, slack = await card_in_teams(system), await system.shown(ON_SLACK)

        await system.press(ANN, slack, "approve")

        await until(lambda: "Approved: send_email" in text_of(system, card), within=2, what="the card in Teams")
        await teams_of(system).press("bob", card, "nod_skip", version=0)
        await asyncio.sleep(0.3)
        assert ["approved"] == system.effects(request_id)


@pytest.mark.parametrize("turn", range(3))
async def test_two_people_on_two_surfaces_at_once_make_one_decision(tmp_path: Path, turn: int) -> None:
    """Approve in Slack and Skip in Teams in the same moment: one wins, the platform hears one word."""
    async with open_system(tmp_path, with_teams=True, policy=POLICY) as system:
        await until_known(system)
        request_id = system.ask(timeout_seconds=60)
        card, slack = await card_in_teams(system), await system.shown(ON_SLACK)

        presses = [system.press(ANN, slack, "approve"), teams_of(system).press("bob", card, "nod_skip")]
        await asyncio.gather(*(presses if turn % 2 else presses[::-1]))

        await until(lambda: bool(system.effects(request_id)), what="the decision")
        (word,) = system.effects(request_id)
        said_there = {"approved": "Approved: send_email", "skipped": "Skipped: send_email"}[word]
        await system.says(slack, said_there, within=2)
        await until(lambda: said_there in text_of(system, card), within=2, what="the card in Teams")
        assert [word] == system.effects(request_id)


async def test_a_quorum_counts_one_person_once_on_two_surfaces(tmp_path: Path) -> None:
    """Ann in Teams and Ann in Slack are one; Bob is the second."""
    async with open_system(tmp_path, with_teams=True, policy=POLICY) as system:
        await until_known(system)
        request_id = system.ask(tool="pay_invoice", timeout_seconds=60)
        card, slack = await card_in_teams(system), await system.shown(ON_SLACK)

        await teams_of(system).press("ann", card, "nod_approve")
        await system.says(slack, "Ann ✓")
        await system.press(ANN, slack, "approve")
        await system.whispered(ANN, "You have already approved")
        assert [] == system.effects(request_id)

        await system.press(BOB, slack, "approve")
        await until(lambda: ["approved"] == system.effects(request_id), what="the decision")


async def test_a_look_is_no_vote_and_no_refusal(tmp_path: Path) -> None:
    """Teams looks by itself, also for those who voted: they get their view with buttons, the audit no row."""
    policy = POLICY.replace("    quorum: 2\n", "    quorum: 2\n    rejection: quorum\n")
    async with open_system(tmp_path, with_teams=True, policy=policy) as system:
        await until_known(system)
        system.ask(tool="pay_invoice", timeout_seconds=60)
        card, teams = await card_in_teams(system), teams_of(system)
        await teams.press("ann", card, "nod_reject")
        await until(lambda: "Ann ✗" in text_of(system, card), within=5, what="her vote on the card")

        for person in ("ann", "bob", "eve", "gus"):
            looked = await teams.refresh(person, teams.now(card))
            assert looked is not None
            assert 200 == looked.answer()["statusCode"]
            may = person in ("ann", "bob")
            assert may is ("nod_reject" in json.dumps(looked.answer()["value"]))

        assert [] == [fact for fact in system.audit() if fact["kind"] == "refused"]


@pytest.mark.parametrize("person", ["eve", "gus", "xia"])
async def test_nobody_else_decides_in_teams(tmp_path: Path, person: str) -> None:
    """A colleague who is no approver, a guest, and a person of another company: refused, and on record."""
    async with open_system(tmp_path, with_teams=True, policy=POLICY) as system:
        await until_known(system)
        request_id = system.ask(timeout_seconds=60)
        card = await card_in_teams(system)

        await teams_of(system).press(person, card, "nod_approve")
        await asyncio.sleep(0.3)

        assert [] == system.effects(request_id)
        assert "Approve send_email?" in text_of(system, card)


async def test_a_rung_pings_in_teams_too(tmp_path: Path) -> None:
    """The thread of the card, and a message to the person alone on the surface where they are asked."""
    async with open_system(tmp_path, with_teams=True, policy=POLICY) as system:
        await until_known(system)
        system.ask(timeout_seconds=8)
        card = await card_in_teams(system)
        teams = teams_of(system)

        await until(lambda: bool(teams.thread_of(card)), within=8, what="the ping in Teams")

        assert "olu" in teams.thread_of(card)[0].mentioned


async def test_teams_alone_is_enough(tmp_path: Path) -> None:
    """Without any Slack variable the bot runs on Teams only."""
    policy = POLICY.replace("slack:C0APPROVALS, ", "").replace("slack:C0ALERTS", "teams:nod-alerts")
    no_slack = {"SLACK_BOT_TOKEN": "", "SLACK_SIGNING_SECRET": ""}
    async with open_system(tmp_path, with_teams=True, policy=policy, **no_slack) as system:
        await until_known(system)
        request_id = system.ask(timeout_seconds=60)
        card = await card_in_teams(system)

        await teams_of(system).press("bob", card, "nod_approve")

        await until(lambda: ["approved"] == system.effects(request_id), what="the decision")
        assert [] == system.cards(ON_SLACK)
