"""The demo, as people who try Nod first meet it: in a real browser, and as a script."""

from __future__ import annotations

import re
import time

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from adapters.cli.demo import open_demo
from sandbox.servers import open_sandbox
from sandbox.story import Story

#: A card must be up so soon after the agent's pause, and the agent must know so soon after the click; in
#: milliseconds.
CARD, AGENT = 2_000, 1_000


async def start(page: Page, agent: str, channel: str) -> Locator:
    """Start an agent on the page; returns its newest run once it waits, with its channel open."""
    await page.get_by_role("button", name=f"Start {agent}", exact=True).click()
    run = page.locator("#runs > li").first
    await expect(run).to_contain_text("waiting for approval", timeout=5_000)
    await page.locator("#channels").get_by_text(channel).click()
    return run


@pytest.mark.calm
@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
async def test_the_demo_in_a_browser(browser: Browser) -> None:
    """Each answer is given on the page and seen in what the agent does next; one is left to expire."""
    async with open_demo(port=0) as sandbox:
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        await page.goto(sandbox.url)
        messages = page.locator("#messages")

        run = await start(page, "Mail agent", "approvals")
        await expect(messages).to_contain_text("Approve send_email?", timeout=CARD)
        await messages.get_by_role("button", name=re.compile("^Approve")).last.click()
        await expect(run).to_contain_text("send_email: sent", timeout=AGENT)
        await expect(messages).to_contain_text("by Ann Albers", timeout=CARD)

        run = await start(page, "Treasury agent", "finance")
        await expect(messages).to_contain_text("Approve pay_invoice?", timeout=CARD)
        await messages.get_by_role("button", name=re.compile("^Reject")).last.click()
        form = page.get_by_role("dialog")
        await form.get_by_role("textbox").fill("The order was cancelled.")
        await form.get_by_role("button", name="Reject").click()
        await expect(messages).to_contain_text("The order was cancelled.", timeout=AGENT + CARD)
        await expect(run).to_contain_text(re.compile("reject", re.IGNORECASE), timeout=AGENT)

        run = await start(page, "HR agent", "approvals")
        await expect(messages).to_contain_text("Approve custom_tool?", timeout=CARD)
        await messages.get_by_role("button", name=re.compile("^Skip")).last.click()
        await expect(messages).to_contain_text("Skipped: ", timeout=AGENT + CARD)
        await expect(run).to_contain_text(re.compile("skip|left", re.IGNORECASE), timeout=AGENT)

        run_id = sandbox.platform.start("sprint_agent", timeout_seconds=4)
        await expect(messages).to_contain_text("Approve buy_tickets?", timeout=CARD)
        await expect(messages).to_contain_text("Escalated", timeout=8_000)
        await expect(messages).to_contain_text("Nobody answered by", timeout=8_000)
        kinds = {line.kind for line in sandbox.platform.transcript() if line.run_id == run_id}
        assert "timeout_skip" in kinds
        await page.close()


@pytest.mark.calm
async def test_the_script_tells_the_whole_story(capsys: pytest.CaptureFixture[str]) -> None:
    """Every step happens, in under a minute, and is in the table with its time."""
    began = time.monotonic()
    async with open_demo(port=0) as sandbox:
        played = await Story(sandbox).play()

    assert played
    assert time.monotonic() - began < 60
    table = capsys.readouterr().out
    assert "26 of 26 steps happened." in table
    assert "timeout_skip" in table


async def test_a_step_that_does_not_happen_fails_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a bot no card appears: the story says which steps did not happen, and ends as failed."""
    async with open_sandbox() as sandbox:
        played = await Story(sandbox).play()

    assert not played
    assert "✗" in capsys.readouterr().out
