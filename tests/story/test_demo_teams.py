"""The demo's two chats side by side in a real browser: one request on both, settled by a press on either."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from adapters.cli.demo import open_demo
from tests.servers.browser import IN_A_BROWSER

pytestmark = [*IN_A_BROWSER, pytest.mark.calm]

#: The other chat's card follows so soon; in milliseconds.
SOON = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoChats:
    """The pages of the local Slack and the local Teams, each with its approvals channel open."""

    slack: Page
    teams: Page

    async def asked(self, agent: str, title: str) -> tuple[Locator, Locator, Locator]:
        """Start an agent; its run, and its card in Slack and in Teams."""
        await self.slack.get_by_role("button", name=f"Start {agent}", exact=True).click()
        run = self.slack.locator("#runs > li").first
        await expect(run).to_contain_text("waiting for approval", timeout=5_000)
        # Before anything is said about it in a thread, the newest card is the last message.
        cards = [page.locator("#messages > li").last for page in (self.slack, self.teams)]
        found = []
        for card in cards:
            await expect(card).to_contain_text(title)
            found.append(card.page.locator(f'[id="{await card.get_attribute("id")}"]'))
        return run, found[0], found[1]


@asynccontextmanager
async def open_two_chats(browser: Browser) -> AsyncIterator[TwoChats]:
    """The demo, looked at from both sides."""
    async with open_demo(port=0) as sandbox:
        slack, teams = await browser.new_page(), await browser.new_page()
        await slack.goto(sandbox.url)
        await slack.locator("#channels").get_by_text("approvals").click()
        await teams.goto(f"{sandbox.url}/teams")
        await expect(teams.get_by_role("heading", name="Approvals", exact=True)).to_be_visible()
        yield TwoChats(slack=slack, teams=teams)
        await slack.close()
        await teams.close()


async def over(card: Locator, said: str) -> None:
    """The card says how it ended, and only its call can be opened; a reply in its thread opens that thread."""
    await expect(card).to_contain_text(said, timeout=SOON)
    pressed = card.get_by_role("button").filter(has_not_text=re.compile("repl(y|ies)"))
    await expect(pressed).to_have_text(["View call"])


async def test_a_press_in_slack_settles_the_card_in_teams(browser: Browser) -> None:
    """Ann approves in Slack: the agent goes on, and within 2 s Teams shows it without a button."""
    async with open_two_chats(browser) as chats:
        run, in_slack, in_teams = await chats.asked("Mail agent", "Approve send_email?")

        await in_slack.get_by_role("button", name=re.compile("^Approve")).click()

        await over(in_teams, "by Ann Albers")
        await over(in_slack, "by Ann Albers")
        await expect(run).to_contain_text("send_email: sent")


async def test_a_press_in_teams_settles_the_card_in_slack(browser: Browser) -> None:
    """Bob skips in Teams, where Eve saw no answer to give: Slack follows within 2 s."""
    async with open_two_chats(browser) as chats:
        run, in_slack, in_teams = await chats.asked("HR agent", "Approve custom_tool?")
        skip = in_teams.get_by_role("button", name=re.compile("^Skip"))

        await chats.teams.get_by_label("You are").select_option("eve")
        await expect(in_teams.get_by_role("button", name=re.compile("^Why"))).to_be_visible()
        await expect(skip).to_have_count(0)
        await chats.teams.get_by_label("You are").select_option("bob")
        await skip.click()

        await over(in_slack, "by Bob Brandt")
        await over(in_teams, "by Bob Brandt")
        await expect(run).to_contain_text(re.compile("skip|left", re.IGNORECASE))
