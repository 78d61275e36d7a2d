"""Both pages of the demo under axe, in each state that a person meets: no violation, in light and in dark."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from itertools import product

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from adapters.cli.demo import open_demo
from tests.sampling import sampled
from tests.servers.browser import IN_A_BROWSER

pytestmark = IN_A_BROWSER

#: What waits while the pages are looked at: an ordinary call, a long one, one full of tricks.
WAITING = ("mail_agent", "archive_agent", "hostile_agent")
#: Two presses, and what shows that they are answered: in a modal, or in the card itself.
FORMS = (
    (re.compile("^Reject"), "dialog, .shown > .ac:not([hidden])"),
    (re.compile("^View all"), "dialog, .own"),
)
LOOKS = [*product([360, 1280], ["light", "dark"], ["/", "/teams"])]


async def violations(page: Page, state: str) -> list[str]:
    """What axe finds wrong on the page as it is now, one line for each rule and place."""
    found = await Axe().run(page)
    return [
        f"{state}: {one['id']}: {node['html'][:160]}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]


async def looked_at(page: Page, *, narrow: bool) -> list[str]:
    """Every state of the page: cards, a form, a long call, an answered card, a refusal, a menu, the agents."""
    dialog = page.get_by_role("dialog")
    cards = page.locator("#messages > li")
    found = await violations(page, "cards")
    for name, shown in FORMS:
        button = cards.filter(has_text="publish_document").get_by_role("button", name=name).first
        await button.click()
        await expect(page.locator(shown).first).to_be_visible()
        found += await violations(page, name.pattern)
        if await dialog.count():
            await page.keyboard.press("Escape")
            await expect(dialog).to_have_count(0)
    more = page.get_by_role("button", name="More actions")
    if await more.count():
        await more.first.click()
        found += await violations(page, "menu")
        await page.keyboard.press("Escape")
    await cards.filter(has_text="send_email").get_by_role("button", name=re.compile("^Skip")).first.click()
    await expect(cards.filter(has_text="send_email").first).to_contain_text("skipped", ignore_case=True)
    found += await violations(page, "answered")
    if narrow:
        await page.get_by_role("button", name=re.compile("^Agents")).click()
    found += await violations(page, "agents")
    return found


@pytest.mark.parametrize(("width", "scheme", "path"), sampled(LOOKS, quick=(0, 7)))
async def test_axe_finds_nothing(browser: Browser, width: int, scheme: str, path: str) -> None:
    """On a small phone and at a desk, for each state in turn."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(open_demo(port=0))
        for agent in WAITING:
            sandbox.platform.start(agent, timeout_seconds=170)
        page = await browser.new_page(viewport={"width": width, "height": 760}, color_scheme=scheme)  # type: ignore[arg-type]
        stack.push_async_callback(page.close)
        await page.goto(f"{sandbox.url}{path}")
        await expect(page.get_by_text("Approve post_message?").first).to_be_attached(timeout=20_000)
        over = await page.evaluate("document.documentElement.scrollWidth - innerWidth")

        assert ([], 0) == (await looked_at(page, narrow=width < 800), over)
