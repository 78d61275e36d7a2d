"""The page of the local Teams, used in a real browser as a person uses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox.page.routes import STATIC
from sandbox.serve import serve
from sandbox.servers import open_sandbox
from sandbox.teams.limits import CARD_TYPE
from sandbox.teams.mount import teams_routes
from sandbox.teams.page import teams_page_routes
from sandbox.teams.people import APPROVALS
from sandbox.teams.picture import picture
from sandbox.teams.tenant import Teams, open_teams
from tests.contract.sandbox_teams_rig import DONE, OPEN, FakeBot, answered, card, execute, message
from tests.servers.browser import IN_A_BROWSER
from tests.servers.teams import shared_keys

pytestmark = IN_A_BROWSER

HOSTILE = '**bold** [pay](https://evil.example) <img src=x onerror="document.title=1">'
RICH = {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": HOSTILE, "fontType": "monospace"}]}


@asynccontextmanager
async def served(bot: FakeBot) -> AsyncIterator[Teams]:
    """A local Teams with its page, and a bot."""
    app = Starlette(routes=[Route("/api/messages", bot.__call__, methods=["POST"])])
    async with open_teams(keys=shared_keys()) as teams, serve(app) as url:
        teams.request_url = f"{url}/api/messages"
        routes = [
            *teams_page_routes(teams),
            *teams_routes(teams),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
        async with serve(Starlette(routes=routes)) as base:
            teams.base_url = base
            yield teams


async def post(teams: Teams, content: dict[str, Any]) -> None:
    """The bot posts a card among the approvals."""
    headers = {"Authorization": f"Bearer {teams.entra.outbound()}"}
    async with httpx.AsyncClient(base_url=teams.service_url, headers=headers) as client:
        reply = await client.post(f"v3/conversations/{APPROVALS}/activities", json=message(content))
    assert 201 == reply.status_code, reply.text


@asynccontextmanager
async def reading(browser: Browser, teams: Teams) -> AsyncIterator[Page]:
    """The page in a fresh profile; it must not complain of anything, nor ask anybody else."""
    context = await browser.new_context()
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on(
        "request", lambda sent: None if sent.url.startswith(teams.base_url) else complaints.append(sent.url)
    )
    await page.goto(f"{teams.base_url}/teams")
    yield page
    await context.close()
    assert [] == complaints


async def test_a_card_is_pressed_and_each_person_has_their_own_view(browser: Browser) -> None:
    """The invoke's card is for the presser; another person still has the buttons; a reason goes along."""
    bot = FakeBot(answer=answered(CARD_TYPE, DONE))
    async with served(bot) as teams:
        await post(teams, OPEN)
        async with reading(browser, teams) as page:
            await page.get_by_role("button", name="Approve", exact=True).click()
            await expect(page.get_by_text("Approved by Ann")).to_be_visible()
            await expect(page.get_by_text("As only you see it")).to_be_visible()

            await page.get_by_label("You are").select_option("bob")
            await expect(page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
            await page.get_by_role("button", name="Reject…").click()
            await page.get_by_role("button", name="Reject", exact=True).click()
            await expect(page.get_by_text("This is a required input")).to_be_visible()
            await page.get_by_label("reason").fill("too risky")
            await page.get_by_role("button", name="Reject", exact=True).click()
            await expect(page.get_by_text("Approved by Ann")).to_be_visible()
    assert "too risky" == bot.last["value"]["action"]["data"]["reason"]


async def test_secondary_actions_are_behind_the_overflow_button(browser: Browser) -> None:
    """As in Teams, `mode: secondary` leaves the row of buttons and still sends its own data."""
    bot = FakeBot(answer=answered(CARD_TYPE, DONE))
    behind = [{**execute(verb), "title": verb.title(), "mode": "secondary"} for verb in ("look", "claim")]
    async with served(bot) as teams:
        await post(teams, card(actions=[execute("approve"), *behind]))
        async with reading(browser, teams) as page:
            await expect(page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
            await expect(page.get_by_role("button", name="Claim")).to_have_count(0)
            await page.get_by_role("button", name="More actions").focus()
            for key in ("ArrowUp", "Enter"):
                await page.keyboard.press(key)
            await expect(page.get_by_text("Approved by Ann")).to_be_visible()
    assert "claim" == bot.last["value"]["action"]["verb"]


async def test_a_refresh_happens_by_itself_and_a_broken_bot_is_seen(browser: Browser) -> None:
    """Who is named gets the refreshed card when it is shown; a 500 makes the client say so."""
    bot = FakeBot(answer=answered(CARD_TYPE, card(actions=[execute("approve")])))
    async with served(bot) as teams:
        ann = teams.people["ann"].id
        await post(
            teams,
            card({"type": "TextBlock", "text": "Open"}, refresh={"action": execute("look"), "userIds": [ann]}),
        )
        async with reading(browser, teams) as page:
            button = page.get_by_role("button", name="Approve", exact=True)
            await expect(button).to_be_visible()
            assert "automatic" == bot.last["value"]["trigger"]
            bot.status = 500
            await button.click()
            await expect(page.get_by_text("Unable to reach app. Please try again.")).to_be_visible()
            await page.get_by_label("You are").select_option("bob")
            await expect(page.get_by_text("Open", exact=True)).to_be_visible()
            await expect(button).to_have_count(0)


async def test_what_is_typed_outlives_a_change_of_the_card(browser: Browser) -> None:
    """The bot edits the card while a person writes a reason: the form stays unfolded, filled and focused, and
    nothing scrolls; the dialog gives the focus back."""
    bot = FakeBot(answer={"task": {"type": "message", "value": "Nothing more to see."}})
    async with served(bot) as teams:
        await post(teams, OPEN)
        async with reading(browser, teams) as page:
            await page.get_by_role("button", name="Reject…").click()
            await page.get_by_label("reason").fill("too ri")
            (first,) = teams.cards_in(APPROVALS)
            changed = {**OPEN, "body": [{"type": "TextBlock", "text": "Changed"}]}
            headers = {"Authorization": f"Bearer {teams.entra.outbound()}"}
            async with httpx.AsyncClient(base_url=teams.service_url, headers=headers) as client:
                edited = f"v3/conversations/{APPROVALS}/activities/{first.id}"
                assert (await client.put(edited, json=message(changed))).is_success
            await expect(page.get_by_text("Changed", exact=True)).to_be_visible()
            reason = page.get_by_label("reason")
            await expect(reason).to_have_value("too ri")
            await expect(reason).to_be_focused()
            await page.keyboard.type("sky")
            await expect(reason).to_have_value("too risky")


async def test_a_dialog_opens_and_is_sent(browser: Browser) -> None:
    """task/fetch opens the dialog, what is filled in goes to the bot, and an empty answer closes it."""
    asks = card(
        {"type": "Input.Text", "id": "note"}, actions=[{"type": "Action.Submit", "title": "Send", "data": {}}]
    )
    content = {"contentType": CARD_TYPE, "content": asks}
    bot = FakeBot(answer={"task": {"type": "continue", "value": {"title": "All of it", "card": content}}})
    async with served(bot) as teams:
        await post(teams, OPEN)
        async with reading(browser, teams) as page:
            await page.get_by_role("button", name="View all").click()
            await expect(page.get_by_role("dialog", name="All of it")).to_be_visible()
            await page.get_by_label("note").fill("read")
            bot.answer = None
            await page.get_by_role("button", name="Send", exact=True).last.click()
            await expect(page.get_by_role("dialog")).to_have_count(0)
    assert ("task/submit", "read") == (bot.last["name"], bot.last["value"]["data"]["note"])


async def test_what_teams_parses_is_shown_parsed_and_nothing_becomes_markup(browser: Browser) -> None:
    """A TextBlock with Markdown has a link and bold text; rich text shows the same characters."""
    async with served(FakeBot()) as teams:
        await post(teams, card({"type": "TextBlock", "text": HOSTILE}, RICH))
        async with reading(browser, teams) as page:
            await expect(page.locator(".rich")).to_have_text(HOSTILE)
            assert 0 == await page.locator(".rich a, .rich .bold, img").count()
            await expect(page.locator(".text a")).to_have_attribute("href", "https://evil.example")
            await expect(page.locator(".text .bold")).to_have_text("bold")
            assert "Acme · local Teams" == await page.title()


async def test_one_page_leads_to_the_other_where_teams_is(browser: Browser) -> None:
    """From the local Slack to the local Teams and back; without Teams nothing leads there."""
    context = await browser.new_context()
    page = await context.new_page()
    async with open_sandbox(with_teams=True) as sandbox:
        await page.goto(sandbox.url)
        await page.get_by_role("link", name="Open local Teams").click()
        await expect(page.get_by_role("heading", name="Approvals", exact=True)).to_be_visible()
        await page.get_by_role("link", name="Open local Slack").click()
        await expect(page.get_by_role("heading", name="# approvals")).to_be_visible()
    async with open_sandbox() as sandbox:
        await page.goto(sandbox.url)
        await expect(page.get_by_role("heading", name="# approvals")).to_be_visible()
        await expect(page.locator("#other")).to_be_hidden()
    await context.close()


async def test_the_picture_numbers_buttons_and_names_what_only_the_viewer_sees() -> None:
    """Buttons carry their number among all; a refresh is due for those who are named and have no view yet."""
    bot = FakeBot(answer=answered(CARD_TYPE, DONE))
    async with served(bot) as teams:
        ann = teams.people["ann"].id
        await post(teams, {**OPEN, "refresh": {"action": execute("look"), "userIds": [ann]}})
        (first,) = teams.cards_in(APPROVALS)

        def seen(viewer: str) -> dict[str, Any]:
            places = picture(teams, viewer=viewer)["places"]
            (found,) = next(place for place in places if place["id"] == APPROVALS)["messages"]
            return dict(found)

        assert [0, 1, 3] == [action["press"] for action in seen("ann")["card"]["actions"]]
        assert (True, False) == (seen("ann")["refresh"], seen("bob")["refresh"])
        await teams.refresh("ann", first)
        assert (False, True) == (seen("ann")["refresh"], seen("ann")["own_view"])
        assert "press" not in (first.card or {})["actions"][0]


async def test_the_sandbox_has_teams_where_it_is_wanted() -> None:
    """Slack, Teams and the platform share a port; the activities' service URL leads there."""
    async with open_sandbox(with_teams=True) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as client:
        teams = sandbox.teams
        assert teams is not None
        statuses = [
            (await client.get(path)).status_code for path in ("/", "/teams", "/teams/ui/state?viewer=ann")
        ]
        assert [200, 200, 200] == statuses
        assert f"{sandbox.url}/teams/" == teams.service_url
        keys = (await client.get((await client.get(teams.openid_url)).json()["jwks_uri"])).json()
        assert teams.ring.jwks() == keys
    async with open_sandbox() as sandbox:
        assert sandbox.teams is None
