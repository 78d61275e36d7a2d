"""What people see, and what the platform gets, while something between them is broken."""

import asyncio
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.faults import Rule
from sandbox.platform.quirks import Quirks
from sandbox.servers import API_KEY
from tests.sampling import sampled
from tests.servers import hooks
from tests.servers.system import (
    ANN,
    APPROVALS,
    BOB,
    FINANCE,
    POLICY,
    System,
    buttons,
    open_system,
    said,
    until,
)

DECISION: dict[str, Any] = {"method": "POST", "path": "/agents/hitl/decision"}
PENDING: dict[str, Any] = {"method": "GET", "path": "/agents/hitl/pending"}
POST: dict[str, Any] = {"path": "/api/chat.postMessage"}
#: A surface that refused is asked again after 15 seconds (bot.flow.show).
ASKED_AGAIN = 25.0


# --- the platform cannot be told --------------------------------------------------------------------------


async def test_a_decision_waits_out_an_outage(tmp_path: Path) -> None:
    """Three 503: the card says that it could not be told yet, operators hear of it, then it goes through."""
    async with open_system(tmp_path) as system:
        system.sandbox.faults.add(**DECISION, times=3, status=503)
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()

        await system.press(ANN, card, "approve")

        await system.says(card, "the platform has not accepted it yet", within=10)
        await until(lambda: len(system.alerts()) == 1, what="the alert")
        assert "Not delivered yet: " in system.alerts()[0]
        done = await system.says(card, "Approved: send_email", within=10)
        assert [] == buttons(done)
        await until(lambda: "Resolved: " in system.alerts()[0], what="the alert's end")
        assert [200] == system.posts(request_id)
        assert [request_id] == system.sandbox.platform.executed
        assert 1 == len(system.alerts())


async def test_an_answer_lost_on_the_way_back_is_no_second_effect(tmp_path: Path) -> None:
    """The connection breaks after the platform took it: it ran once, and the card says what the audit says."""
    async with open_system(tmp_path) as system:
        system.sandbox.faults.add(**DECISION, times=1, after=True, reset=True)
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()

        await system.press(ANN, card, "approve")

        await system.says(card, "Approved: send_email", within=10)
        # It is not listed any more, so the Approve is not confirmed again and not sent a second time.
        assert [200] == system.posts(request_id)
        assert [request_id] == system.sandbox.platform.executed


async def test_answers_lost_until_the_deadline_are_looked_up(tmp_path: Path) -> None:
    """Every answer is lost although the platform took the first: the card never claims that it was not told."""
    async with open_system(tmp_path) as system:
        system.sandbox.faults.add(**DECISION, after=True, reset=True)
        request_id = system.ask(timeout_seconds=5)
        card = await system.shown()

        await system.press(ANN, card, "approve")

        await system.says(card, "Approved: send_email", within=10)
        assert "Not delivered" not in said(system.now(card))
        assert ["approved"] == system.effects(request_id)


@pytest.mark.parametrize("status", [404, 409])
async def test_an_answer_that_came_too_late_is_never_shown_as_ours(status: int, tmp_path: Path) -> None:
    """The platform says that it is resolved and does not list it: no longer pending, and never ours."""
    async with open_system(tmp_path) as system:
        system.sandbox.faults.add(**DECISION, times=1, status=status)
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()
        system.sandbox.faults.add(**PENDING, status=200, body=[])

        await system.press(BOB, card, "skip")

        done = await system.says(card, "No longer pending on the platform")
        assert [] == buttons(done)
        assert not any("Skipped" in said(look) for look in (*done.history, done))
        assert [] == system.posts(request_id)


@pytest.mark.parametrize("status", [404, 409])
async def test_a_request_that_is_still_listed_is_not_over(status: int, tmp_path: Path) -> None:
    """One 404 or 409, and the list goes on showing it: the same word goes out again without a click."""
    async with open_system(tmp_path) as system:
        system.sandbox.faults.add(**DECISION, times=1, status=status)
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()

        await system.press(ANN, card, "approve")

        done = await system.says(card, "Approved: send_email", within=10)
        assert not any("lsewhere" in said(look) for look in (*done.history, done))
        assert [200] == system.posts(request_id)
        await until(lambda: "Resolved: " in str(system.alerts()), what="the alert's end")
        assert 1 == len(system.alerts())


@pytest.mark.parametrize("forgiving", [False, True])
async def test_somebody_was_first_on_the_platform(forgiving: bool, tmp_path: Path) -> None:
    """Answered there a moment before: 409, or a polite 200, the audit's word is shown, not ours."""
    async with open_system(tmp_path) as system:
        platform = system.sandbox.platform
        platform.quirks = Quirks(forgiving=forgiving)
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()
        platform.decide(request_id, "rejected")

        await system.press(ANN, card, "skip")

        done = await system.says(card, "Answered on the platform: rejected")
        assert "but the platform already had an answer" in said(done)
        assert not done.text.startswith("Skipped")
        assert (200 if forgiving else 409) == system.posts(request_id)[-1]


async def test_a_decision_that_cannot_be_delivered_is_owned_up_to(tmp_path: Path) -> None:
    """Down until after the deadline: the card says Not delivered, and operators hear of that end too."""
    async with open_system(tmp_path) as system:
        system.sandbox.faults.add(**DECISION, status=503)
        request_id = system.ask(timeout_seconds=6)
        card = await system.shown()

        await system.press(ANN, card, "approve")

        done = await system.says(card, "Not delivered: send_email", within=12)
        assert "Ann Albers approved at" in said(done)
        assert "may not have accepted it" in said(done)
        await until(
            lambda: any("deadline passed before" in alert for alert in system.alerts()), what="the alert"
        )
        assert [] == system.effects(request_id)
        assert [] == system.sandbox.platform.executed


# --- the platform cannot be read --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    sampled(
        [
            {"status": 503},
            {"status": 200, "body": "<html><h1>Under maintenance</h1></html>"},
            {"status": 200, "body": '[{"request_id": "a"'},
            {"status": 200, "body": {"success": False, "data": []}},
            {"status": 200, "body": "[" + " " * 21_000_000 + "]"},
            {"truncate": True},
            {"reset": True},
        ],
        quick=(0, 4, 6),
    ),
    ids=["503", "html", "malformed", "refused", "oversized", "truncated", "reset"],
)
async def test_a_list_that_cannot_be_read_changes_nothing(trouble: dict[str, Any], tmp_path: Path) -> None:
    """While polls fail the card does not change; afterwards it can be answered, and what is new appears."""
    async with open_system(tmp_path) as system:
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()
        rule = system.sandbox.faults.add(**PENDING, **trouble)
        system.ask(tool="pay_invoice", timeout_seconds=60)

        await until(lambda: rule.hits >= 4, within=15, what="failed polls")

        assert said(card) == said(system.now(card))
        assert [] == system.cards(FINANCE)
        system.sandbox.faults.clear()
        await system.shown(FINANCE)
        await system.press(ANN, card, "approve")
        await system.says(card, "Approved: send_email")
        assert ["approved"] == system.effects(request_id)


async def test_a_list_that_is_suddenly_empty_is_not_believed(tmp_path: Path) -> None:
    """Five of five gone at once is trouble over there: the cards stay, and can still be skipped."""
    async with open_system(tmp_path) as system:
        ids = [system.ask(timeout_seconds=90) for _ in range(5)]
        await system.shown(count=5, within=12)
        rule = system.sandbox.faults.add(**PENDING, status=200, body=[])

        await until(lambda: rule.hits >= 5, what="empty polls")

        assert all(buttons(card) for card in system.cards())
        await system.press(ANN, system.cards()[0], "skip")
        await until(lambda: any(system.effects(one) == ["skipped"] for one in ids), what="the decision")


async def test_one_bad_item_does_not_hide_the_others(tmp_path: Path) -> None:
    """An item without a tool is set aside: the others get cards, and its own card is not taken down."""
    async with open_system(tmp_path) as system:
        system.ask(timeout_seconds=60)
        card = await system.shown()
        system.ask(tool="pay_invoice", timeout_seconds=60)
        spoilt, good = await listed(system)
        del spoilt["tool"], spoilt["additional_context"]
        rule = relist(system, [spoilt, good, 42])

        await system.shown(FINANCE)
        await until(lambda: rule.hits >= 4, what="polls")

        assert said(card) == said(system.now(card))


@pytest.mark.parametrize(
    "trouble",
    sampled(
        [
            {"status": 429, "headers": {"Retry-After": "2"}},
            {"status": 429, "headers": {"Retry-After": "soon"}},
            {"status": 200, "body": {"ok": False, "error": "ratelimited"}},
            {"status": 503},
            {"status": 200, "body": "<html>oops</html>"},
            {"reset": True},
            {"after": True, "reset": True},
            {"after": True, "status": 500},
        ],
        quick=(0, 2, 6, 7),
    ),
    ids=["429", "429-garbage", "200-ratelimited", "503", "html", "reset", "applied-reset", "applied-500"],
)
async def test_a_post_in_trouble_ends_as_one_card(trouble: dict[str, Any], tmp_path: Path) -> None:
    """Too fast, failed, or put up without our hearing of it: in the end there is one card, and it works."""
    async with open_system(tmp_path) as system:
        system.sandbox.faults.add(**POST, times=1, **trouble)
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown(within=10)

        await until(lambda: bool(system.sandbox.faults.rules[0].hits), what="the trouble")
        await system.press(ANN, card, "approve")

        await system.says(card, "Approved: send_email", within=10)
        assert ["approved"] == system.effects(request_id)
        assert 1 == len(system.cards())


@pytest.mark.parametrize(
    "trouble", [{"times": 2, "status": 503}, {"times": 1, "after": True, "reset": True}], ids=["503", "lost"]
)
async def test_a_ping_in_trouble_is_still_one_ping(trouble: dict[str, Any], tmp_path: Path) -> None:
    """Slack fails just when a rung is due: the people are pinged once it works, and only once."""
    async with open_system(tmp_path) as system:
        system.ask(timeout_seconds=8)
        card = await system.shown()
        system.sandbox.faults.add(**POST, **trouble)

        await until(lambda: bool(system.replies(card)), within=7, what="the ping")
        # By then a second one would have come, and how it ended.
        await until(lambda: len(system.replies(card)) > 1, within=10, what="the outcome")

        first = [(*reply.history, reply)[0] for reply in system.replies(card)]
        assert [" left: send_email" in said(reply) for reply in first] == [True, False]
        assert system.nod is not None
        assert b"piece_failed" not in system.nod.metrics.exposition()[0]


async def test_a_channel_that_is_closed_to_the_bot_is_alerted(tmp_path: Path) -> None:
    """Archived, or the bot was removed: operators are alerted at once, and once it is mended the cards come."""
    async with open_system(tmp_path) as system:
        workspace = system.sandbox.workspace
        workspace.archive(APPROVALS)
        workspace.kick(FINANCE)
        system.ask(timeout_seconds=90)
        system.ask(tool="pay_invoice", timeout_seconds=90)
        await until(lambda: len(system.alerts()) == 2, what="the alerts")
        assert any("is archived" in alert for alert in system.alerts())
        assert any("does not have the bot in it" in alert for alert in system.alerts())

        workspace.archive(APPROVALS, archived=False)
        workspace.invite(FINANCE)
        system.sandbox.faults.add(**POST, times=1, after=True, reset=True)  # the first one is not heard of

        await system.shown(APPROVALS, within=ASKED_AGAIN)
        await system.shown(FINANCE, within=ASKED_AGAIN)
        resolved = "Nod can post in "
        await until(lambda: all(resolved in a for a in system.alerts()), within=15, what="both alerts' ends")
        assert (1, 1) == (len(system.cards(APPROVALS)), len(system.cards(FINANCE)))


async def test_a_revoked_token_that_comes_back_is_caught_up_on(tmp_path: Path) -> None:
    """Slack refuses everything: once it works again the card comes, and the alert, once each."""
    async with open_system(tmp_path) as system:
        workspace = system.sandbox.workspace
        workspace.revoke_token()
        system.ask(timeout_seconds=90)
        # A card and an alert were refused by then.
        await until(lambda: [call.error for call in workspace.calls].count("token_revoked") >= 2)

        workspace.revoke_token(revoked=False)

        await system.shown(within=ASKED_AGAIN)
        await until(lambda: len(system.alerts()) == 1, within=ASKED_AGAIN, what="the alert")
        await until(lambda: "Resolved: " in system.alerts()[0], within=15, what="its end")
        assert 1 == len(system.cards())


async def test_answered_elsewhere_while_slack_is_down(tmp_path: Path) -> None:
    """The card could not be changed when it was answered on the platform: it catches up when Slack is back."""
    async with open_system(tmp_path) as system:
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()
        down = system.sandbox.faults.add(path="/api/*", status=503)
        system.sandbox.platform.decide(request_id, "rejected")
        await until(lambda: down.hits >= 2, within=10, what="refused updates")
        assert buttons(system.now(card))

        system.sandbox.faults.clear()

        done = await system.says(card, "Answered on the platform: rejected", within=10)
        assert [] == buttons(done)


async def test_a_burst_keeps_to_one_message_a_second_most_urgent_first(tmp_path: Path) -> None:
    """Eight at once in one channel: never faster than Slack allows, and the earliest deadline goes first.

    None is in such a hurry that it has to go on a digest, also where the machine is slow.
    """
    async with open_system(tmp_path) as system:
        for seconds in (800, 500, 700, 300, 600, 400, 1000, 900):
            system.ask(tool=f"within_{seconds:04}", timeout_seconds=seconds)

        await system.shown(count=8, within=20)

        posts = [post.at for post in system.sandbox.workspace.called("chat.postMessage")]
        assert all(later - sooner > 0.8 for sooner, later in pairwise(posts)), posts
        later_ones = [card.text for card in system.cards()[1:]]  # the first goes up while others are still read
        assert sorted(later_ones) == later_ones


# --- others who are notified ------------------------------------------------------------------------------


async def test_a_broken_hook_harms_nobody(tmp_path: Path) -> None:
    """One hook raises and one hangs: the good one is called once, the channel hears of it, approvals go on."""
    names = ("raises", "hangs", "notes")
    spec = "on_unrecoverable_error: [" + ", ".join(f"tests.servers.hooks:{name}" for name in names) + "]\n"
    hooks.TOLD.clear()
    hooks.LET_GO.clear()
    async with open_system(tmp_path, policy=POLICY + spec) as system:
        system.sandbox.workspace.kick(APPROVALS)
        system.ask(timeout_seconds=60)
        await until(lambda: bool(hooks.TOLD), what="the hook")
        await until(lambda: len(system.alerts()) == 1, what="the alert")

        request_id = system.ask(tool="pay_invoice", timeout_seconds=60)
        card = await system.shown(FINANCE)
        began = time.monotonic()
        await system.press(BOB, card, "approve")
        await system.says(card, "Approved: pay_invoice")

        assert time.monotonic() - began < 3
        assert ["approved"] == system.effects(request_id)
        await asyncio.sleep(2.5)  # by then the one that raised was called again
        assert [f"slack:{APPROVALS}"] == [told for told, _ in hooks.TOLD]
        assert "does not have the bot in it" in hooks.TOLD[0][1]
        hooks.LET_GO.set()


async def listed(system: System, **arguments: str) -> list[dict[str, Any]]:
    """The platform's pending list as it is on the wire, with these arguments in place of its own."""
    async with httpx.AsyncClient(base_url=system.sandbox.url, headers={"X-API-Key": API_KEY}) as client:
        items: list[dict[str, Any]] = (await client.get("/agents/hitl/pending")).json()
    for item in items if arguments else ():
        item["arguments"] = item["additional_context"]["arguments"] = arguments
    return items


def relist(system: System, items: list[Any]) -> Rule:
    """From now on the platform lists this, and nothing else is wrong."""
    rule = Rule(**PENDING, status=200, body=items)
    system.sandbox.faults.replace([rule])
    return rule
