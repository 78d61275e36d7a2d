"""Every state of a card under axe, in both chats: cards, pings, alerts, refusals, forms. No violation."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from adapters.slack import notices as slack_notices
from adapters.slack.render import digest_message_of, message_of
from adapters.teams import notices as teams_notices
from adapters.teams.buttons import Data
from adapters.teams.modals import explanation_view, reason_view, refusal_view, whole_content
from adapters.teams.render import content_of, digest_content_of
from bot.card import Card, Notification
from bot.desk import FormData
from bot.errors import Refusal
from bot.records import Alert
from bot.routing import ReasonRule
from bot.wording import CardState, Moment, Shown
from sandbox.servers import open_sandbox
from sandbox.slack.messages import Message as SlackMessage
from sandbox.slack.workspace import Workspace
from sandbox.teams.messages import Message as TeamsMessage
from sandbox.teams.tenant import Teams
from tests.render.cards import (
    NOW,
    approval,
    card,
    claim,
    digest_card,
    explanation,
    not_counted,
    open_card,
    reading,
    request,
    shown,
    vote,
)
from tests.render.teams_parts import CONTEXT
from tests.sampling import sampled
from tests.servers.browser import IN_A_BROWSER
from tests.story.test_accessible import LOOKS, violations

pytestmark = IN_A_BROWSER

LONG = {"body": "\n".join(f"line {n}" for n in range(200))}


def cards() -> list[Card]:
    """A card in every state, and an open one with votes, with a claim, cut, and with warnings."""
    known = approval()
    hidden = request({"to": "https://p\u0430ypal.com/x", "note": "a\u202eb\u200bc"})
    return [
        *(card(state) for state in CardState),
        shown(replace(known, votes=(vote(note="fine by me"),))),
        shown(replace(known, claims=(claim(),)), now=NOW + timedelta(seconds=20)),
        open_card(LONG),
        shown(approval(hidden), why="Moves money"),
        shown(approval(request(tool_name="deploy_AKIAIOSFODNN7EXAMPLE"))),
    ]


def notices() -> list[Notification]:
    """A ping with a link, and a line of a thread."""
    text = ("Waiting for you: send_email (Mail agent). Decide by ", Moment(NOW, Shown.SECOND), " (18 s).")
    return [
        Notification(mark="m1", text=text, link="https://acme.example/card"),
        Notification(mark="m2", text=text),
    ]


ALERTS = [Alert(approval_id="r1", cause="undelivered", text="Not delivered yet: send_email", raised_at=NOW)]
ALERTS.append(replace(ALERTS[0], resolved="it was delivered", link="https://acme.example/card"))
REFUSED = replace(
    not_counted(Refusal.NOT_APPROVER, "Only Ann Albers can decide this."), link="https://acme.example/docs"
)
FORM = FormData(
    card=open_card(LONG),
    call="\n".join(f"line {n}" for n in range(200)),
    approvable=True,
    reason=ReasonRule.REQUIRED,
    presets=("Wrong amount", "Not now"),
    approve_value="v1.k.c0ffee.approve.d.s",
    reading=reading("x"),
)
WHY = explanation("Route default asks finance.", "You can decide this.", run="https://acme.example/runs/1")


def fill_slack(workspace: Workspace) -> list[Any]:
    """Everything that Nod posts in Slack, in #approvals."""
    messages = [
        *(message_of(one) for one in cards()),
        *(digest_message_of(digest_card(count=count, flooding=("mail_agent",))) for count in (0, 12)),
        *(slack_notices.notice_message_of(one) for one in notices()),
        *(slack_notices.page_of(one) for one in ALERTS),
        slack_notices.refusal_of(REFUSED),
        slack_notices.explanation_of(WHY),
        slack_notices.claimed_of(claim()),
    ]
    places = workspace.conversations
    for one in messages:
        ts = places.new_ts(workspace.now())
        blocks = places.named(one.get("blocks", []))
        places.add(SlackMessage(channel="C0APPROVALS", ts=ts, text=one["text"], blocks=blocks))
    return messages


def fill_teams(tenant: Teams) -> list[Any]:
    """Everything that Nod posts in Teams, in the channel approvals."""
    contents = [
        *(content_of(one, CONTEXT) for one in cards()),
        *(digest_content_of(digest_card(count=count, flooding=("mail_agent",)), CONTEXT) for count in (0, 12)),
        *(teams_notices.notice_content_of(one, []) for one in notices()),
        *(teams_notices.page_content_of(one) for one in ALERTS),
        refusal_view(REFUSED, CONTEXT, card=card(), queue=None),
        explanation_view(WHY, CONTEXT, card=card(), queue=None),
        reason_view(FORM, Data(verb="reject", value="v1.k.c0ffee.x.d.s", channel="approvals"), CONTEXT),
        whole_content(FORM, CONTEXT),
    ]
    places = tenant.conversations
    (place,) = [one for one in places.places.values() if one.name == "Approvals"]
    for one in contents:
        places.put(TeamsMessage(place=place.id, id=places.new_id(), card=one))
    return contents


@pytest.mark.parametrize(("width", "scheme", "path"), sampled(LOOKS, quick=(3,)))
async def test_axe_finds_nothing_on_any_state(browser: Browser, width: int, scheme: str, path: str) -> None:
    """Each state of a card, each message, form and alert, all on one page."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(open_sandbox(port=0, with_teams=True))
        assert sandbox.teams is not None
        posted = {"/": fill_slack(sandbox.workspace), "/teams": fill_teams(sandbox.teams)}
        page = await browser.new_page(viewport={"width": width, "height": 760}, color_scheme=scheme)  # type: ignore[arg-type]
        stack.push_async_callback(page.close)
        await page.goto(f"{sandbox.url}{path}")
        last = page.locator("#messages > li").nth(len(posted[path]) - 1)
        await expect(last).to_be_attached(timeout=20_000)
        over = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if folder := os.environ.get("NOD_PICTURES"):
            await page.screenshot(
                path=f"{folder}/{width}-{scheme}-{path.strip('/') or 'slack'}.png", full_page=True
            )

        assert ([], 0) == (await violations(page, "all states"), over)
