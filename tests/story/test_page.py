"""The page of the local Slack, used in a real browser as a person uses it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.async_api import Browser, Page, expect
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.page.routes import page_routes
from sandbox.platform.platform import Platform, open_platform
from sandbox.serve import serve
from sandbox.slack.mount import slack_routes
from sandbox.slack.workspace import Workspace, open_workspace
from tests.sampling import sampled
from tests.servers.browser import IN_A_BROWSER

pytestmark = IN_A_BROWSER

CHANNEL = "C0APPROVALS"
Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def button(text: str, action_id: str, **more: Any) -> Json:
    return {"type": "button", "text": plain(text), "action_id": action_id, "value": "r1", **more}


def option(text: str, value: str, **more: Any) -> Json:
    return {"text": plain(text), "value": value, **more}


SURE = {"title": plain("Sure?"), "text": plain("It is loud."), "confirm": plain("Yes"), "deny": plain("No")}
MORE = [
    {
        "type": "actions",
        "block_id": "more",
        "elements": [
            {
                "type": "overflow",
                "action_id": "more",
                "options": [option("View all", "look"), option("I'm on it", "ack"), option("Why?", "why")],
            },
            {
                "type": "overflow",
                "action_id": "loud",
                "options": [option("Ring everybody", "ring")],
                "confirm": SURE,
            },
        ],
    }
]

HOSTILE = '<img src=x onerror="document.title=1"> <!channel> *not bold*'
CARD = [
    {"type": "header", "text": plain("Approve send_email?")},
    {"type": "context", "elements": [{"type": "mrkdwn", "text": "Until <!date^1760000000^{date_num}|then>"}]},
    {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": HOSTILE + "x" * 500}]}
        ],
    },
    {
        "type": "actions",
        "block_id": "verbs",
        "elements": [
            button("Approve", "approve", style="primary"),
            button("Reject…", "reject", style="danger"),
            button("Break", "break"),
        ],
    },
]
MODAL = {
    "type": "modal",
    "title": plain("Reject"),
    "submit": plain("Send"),
    "blocks": [
        {
            "type": "input",
            "block_id": "note",
            "label": plain("Why?"),
            "element": {"type": "plain_text_input", "action_id": "text", "multiline": True},
        }
    ],
}


@dataclass
class FakeApp:
    """An app that opens a modal on reject, fails on break, and whispers to everybody else who presses."""

    client: AsyncWebClient | None = None
    came: list[Json] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        payload = json.loads(parse_qs((await request.body()).decode())["payload"][0])
        self.came.append(payload)
        assert self.client is not None
        if payload["type"] == "view_submission":
            values = payload["view"]["state"]["values"]
            if len(values["note"]["text"]["value"]) < 5:
                errors = {"note": "Say a little more."}
                return JSONResponse({"response_action": "errors", "errors": errors})
            return Response("")
        pressed = payload["actions"][0]["action_id"]
        if pressed == "reject":
            await self.client.views_open(trigger_id=payload["trigger_id"], view=MODAL)
        elif pressed == "approve":
            where, who = payload["channel"]["id"], payload["user"]["id"]
            await self.client.chat_postEphemeral(channel=where, user=who, text=f"You pressed, <@{who}>.")
        return Response("", 500 if pressed == "break" else 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A served sandbox with a card in #approvals."""

    base: str
    workspace: Workspace
    platform: Platform
    app: FakeApp


@asynccontextmanager
async def sandbox(*, port: int = 0) -> AsyncIterator[Rig]:
    """A whole sandbox on one port."""
    app = FakeApp()

    async def interactivity(request: Request) -> Response:
        return await app(request)

    async with open_workspace() as workspace, open_platform(api_key="key") as platform:
        routes = [
            *slack_routes(workspace),
            *page_routes(workspace=workspace, platform=platform),
            Route("/slack/events", interactivity, methods=["POST"]),
        ]
        async with serve(Starlette(routes=routes), port=port) as base:
            workspace.request_url = f"{base}/slack/events"
            app.client = AsyncWebClient(token=workspace.app.bot_token, base_url=f"{base}/api/")
            await app.client.chat_postMessage(channel=CHANNEL, text="Approve send_email?", blocks=CARD)
            yield Rig(base=base, workspace=workspace, platform=platform, app=app)


@asynccontextmanager
async def reading(browser: Browser, base: str, **options: Any) -> AsyncIterator[tuple[Page, list[str]]]:
    """The page in a fresh browser profile, and everything that it complained of."""
    context = await browser.new_context(**options)
    page = await context.new_page()
    complaints: list[str] = []
    loud = ("error", "warning")
    page.on("console", lambda said: complaints.append(said.text) if said.type in loud else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.on("request", lambda sent: None if sent.url.startswith(base) else complaints.append(sent.url))
    await page.goto(f"{base}/")
    await expect(page.get_by_role("heading", name="Approve send_email?")).to_be_visible()
    yield page, complaints
    await context.close()


async def test_a_person_presses_and_is_heard(browser: Browser) -> None:
    """A click travels to the app as Slack's payload, a whisper comes back, and another person does not see
    it."""
    async with sandbox() as rig, reading(browser, rig.base) as (page, complaints):
        await page.get_by_role("button", name="Approve").click()
        whisper = page.get_by_text("You pressed, @Ann Albers.")
        await expect(whisper).to_be_visible()
        await expect(page.get_by_text("Only visible to you")).to_be_visible()
        await page.get_by_label("You are").select_option("U0EVE")
        await expect(page.locator("#my-role")).to_have_text("Eve Ekström · Not an approver")
        await expect(whisper).to_have_count(0)
        await page.get_by_role("button", name="Approve").click()
        await expect(page.get_by_text("You pressed, @Eve Ekström.")).to_be_visible()

    pressed = [(came["user"]["id"], came["actions"][0]["action_id"]) for came in rig.app.came]
    expected = [("U0ANN", "approve"), ("U0EVE", "approve")]
    assert expected == pressed
    assert not complaints


async def test_the_modal_is_filled_by_keyboard(browser: Browser) -> None:
    """Required fields, the app's own objection, and what was typed meanwhile: all are where Slack puts
    them."""
    async with sandbox() as rig, reading(browser, rig.base) as (page, complaints):
        await page.get_by_role("button", name="Reject…").focus()
        await page.keyboard.press("Enter")
        note = page.get_by_label("Why?")
        await expect(note).to_be_focused()
        await page.get_by_role("button", name="Send", exact=True).last.click()
        await expect(page.get_by_text("Please complete this required field.")).to_be_visible()
        await note.fill("no")
        await page.get_by_role("button", name="Send", exact=True).last.click()
        await expect(page.get_by_text("Say a little more.")).to_be_visible()
        await expect(note).to_have_value("no")
        await note.fill("no, too dear")
        await page.get_by_role("button", name="Send", exact=True).last.click()
        await expect(page.get_by_role("dialog")).to_have_count(0)

    submitted = rig.app.came[-1]["view"]["state"]["values"]
    expected = {"note": {"text": {"type": "plain_text_input", "value": "no, too dear"}}}
    assert expected == submitted
    assert not complaints


async def test_what_is_behind_the_overflow_button_is_picked_by_key_and_mouse(browser: Browser) -> None:
    """Arrows walk the menu, Escape gives nothing away, a pick travels as Slack's `selected_option`, and
    `confirm` is asked first."""
    async with sandbox() as rig, reading(browser, rig.base) as (page, complaints):
        assert rig.app.client is not None
        await rig.app.client.chat_postMessage(channel=CHANNEL, text="More", blocks=MORE)
        more = page.get_by_role("button", name="More actions")
        await more.first.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("menuitem", name="View all")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("menu")).to_have_count(0)
        await expect(more.first).to_be_focused()
        for key in ("ArrowDown", "ArrowDown", "Enter"):
            await page.keyboard.press(key)
        await expect(more.first).to_be_focused()
        for answer in ("No", "Yes"):
            await more.last.click()
            await page.get_by_role("menuitem", name="Ring everybody").click()
            await expect(page.get_by_role("dialog", name="Sure?")).to_be_visible()
            await page.get_by_role("button", name=answer, exact=True).click()
        await expect(page.locator("[aria-busy]")).to_have_count(0)

    picked = [(came["actions"][0]["type"], came["actions"][0]["selected_option"]) for came in rig.app.came]
    expected = [("overflow", option("I'm on it", "ack")), ("overflow", option("Ring everybody", "ring"))]
    assert expected == [(kind, {**chosen, "text": plain(chosen["text"]["text"])}) for kind, chosen in picked]
    assert not complaints


async def test_a_press_leaves_the_reader_where_they_were(browser: Browser) -> None:
    """A card that is edited under the focus keeps it, a form gives it back to the button that opened it, and
    what comes meanwhile is offered below: nothing scrolls by itself."""
    options = {"viewport": {"width": 900, "height": 500}}
    async with sandbox() as rig, reading(browser, rig.base, **options) as (page, complaints):
        client = rig.app.client
        assert client is not None
        (card,) = rig.workspace.messages(CHANNEL)
        approve = page.get_by_role("button", name="Approve", exact=True)
        await approve.focus()
        changed = [{"type": "header", "text": plain("Approve it now?")}, *CARD[1:]]
        await client.chat_update(channel=CHANNEL, ts=card.ts, text="Approve it now?", blocks=changed)
        await expect(page.get_by_role("heading", name="Approve it now?")).to_be_visible()
        await expect(approve).to_be_focused()

        reject = page.get_by_role("button", name="Reject…")
        await reject.press("Enter")
        await expect(page.get_by_label("Why?")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(reject).to_be_focused()

        messages = page.locator("#messages")
        before = await messages.evaluate("list => list.scrollTop")
        await client.chat_postMessage(channel=CHANNEL, text="Another", blocks=CARD)
        newer = page.get_by_role("button", name="1 new message")
        await expect(newer).to_be_visible()
        assert before == await messages.evaluate("list => list.scrollTop")
        await expect(reject.first).to_be_focused()
        await newer.click()
        await expect(newer).to_be_hidden()
        assert before < await messages.evaluate("list => list.scrollTop")
        await expect(messages).to_be_focused()

    assert not complaints


async def test_a_silent_app_is_shown(browser: Browser) -> None:
    """When the app fails, the person sees it at the card, and can press again."""
    async with sandbox() as rig, reading(browser, rig.base) as (page, _):
        await page.get_by_role("button", name="Break").click()
        await expect(page.get_by_role("alert")).to_contain_text("This app did not respond")
        await expect(page.get_by_role("button", name="Break")).to_be_enabled()


async def test_what_an_agent_wrote_stays_text(browser: Browser) -> None:
    """Markup in arguments is shown as written: no element, no mention, no script."""
    async with sandbox() as rig, reading(browser, rig.base) as (page, complaints):
        await expect(page.locator(".card pre")).to_contain_text(HOSTILE)
        assert await page.locator(".card img, .card .mention").count() == 0
        answer = await page.request.get(f"{rig.base}/")

    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert not complaints


@pytest.mark.parametrize(
    ("width", "scheme"), sampled([*product([360, 390, 700, 1280], ["light", "dark"])], quick=(0, 5))
)
async def test_it_fits_every_screen(browser: Browser, width: int, scheme: str) -> None:
    """From a small phone to a desk, by day and by night, nothing needs sideways scrolling."""
    options = {"viewport": {"width": width, "height": 740}, "color_scheme": scheme}
    async with sandbox() as rig, reading(browser, rig.base, **options) as (page, complaints):
        if width < 800:
            await expect(page.locator("#agents")).to_be_hidden()
            await page.get_by_role("button", name="Agents").click()
        await expect(page.locator("#agents")).to_be_visible()
        over = await page.evaluate("document.documentElement.scrollWidth - innerWidth")

    expected = 0
    assert expected == over
    assert not complaints


async def test_an_agent_is_watched_until_it_is_answered(browser: Browser) -> None:
    """Started from the page, the agent is seen to wait with a countdown, and then to go on as decided."""
    async with sandbox() as rig, reading(browser, rig.base) as (page, complaints):
        await page.get_by_label("20 s").check()
        await page.get_by_role("button", name="Start Mail agent").click()
        state = page.locator("#runs .state").first
        await expect(state).to_contain_text("Waiting 0:")
        (waiting,) = rig.platform.approvals.pending()
        assert waiting.timeout_seconds == 20
        rig.platform.decide(waiting.request_id, "rejected", "not today")
        await expect(state).to_have_text("Rejected")

    assert not complaints


async def test_the_page_comes_back_after_a_restart(browser: Browser) -> None:
    """When the sandbox restarts, an open page says so and goes on with the new one by itself."""
    async with sandbox() as before:
        port = int(before.base.rsplit(":", 1)[1])
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"{before.base}/")
        await page.get_by_role("button", name="Approve").click()
        await expect(page.get_by_text("Only visible to you")).to_be_visible()
    await expect(page.get_by_text("Connection lost")).to_be_visible()
    async with sandbox(port=port):
        await expect(page.get_by_text("Connection lost")).to_be_hidden(timeout=8000)
        await expect(page.get_by_text("Only visible to you")).to_have_count(0)
        await context.close()


async def test_a_direct_message_leads_to_the_card(browser: Browser) -> None:
    """Only the one who is told sees it; its link opens the channel at the card."""
    async with sandbox() as rig, reading(browser, rig.base) as (page, complaints):
        assert rig.app.client is not None
        (card,) = rig.workspace.messages(CHANNEL)
        where = (await rig.app.client.auth_test())["url"]
        link = {"type": "link", "url": f"{where}archives/{CHANNEL}/p{card.ts.replace('.', '')}", "text": "Open"}
        room = (await rig.app.client.conversations_open(users="U0BOB"))["channel"]["id"]
        line = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [link]}]}
        await rig.app.client.chat_postMessage(channel=room, text="send_email waits", blocks=[line])
        directs = page.locator("#directs").get_by_role("button")
        await expect(directs).to_have_count(0)
        await page.get_by_label("You are").select_option("U0BOB")
        await directs.click()
        await expect(page.get_by_text("Only you and Nod read this")).to_be_visible()
        await page.get_by_role("link", name="Open", exact=True).click()
        await expect(page.locator("#channel-name")).to_have_text("# approvals")
        await expect(page.locator(f"[id='m{card.ts}']")).to_be_focused()

    assert not complaints
