"""Microsoft's own Agents Playground as the chat: every button, in each kind of conversation, in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from adapters.app import open_nod
from adapters.settings import Environment
from sandbox.servers import open_sandbox
from tests.servers.browser import open_browser
from tests.servers.playground import Playground, open_playground
from tests.servers.system import System, environment, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

POLICY = """
poll_every: 200ms
people:
  ann: {email: ann@acme.example}
  bob: {email: bob@acme.example}
groups: {approvers: [ann, bob]}
routes:
  - {name: two, match: {tool: "two_*"}, cards: [teams:leads, teams:approvals], approvers: [ann, bob], quorum: 2}
  - {name: alone, match: {tool: "*_ann-alone"}, cards: [teams:ann-alone], approvers: [approvers]}
  - {name: leads, match: {tool: "*_leads"}, cards: [teams:leads], approvers: [approvers]}
  - {name: default, match: {}, cards: [teams:approvals], approvers: [approvers]}
alerts: [teams:general]
"""
#: The conversations of `docs/agentsplayground.yml`, and how each is called in the page's list.
PLACES = {"ann-alone": "Personal Chat", "leads": "Leads", "approvals": "Acme - Approvals"}
BOB = {"id": "29:bob", "name": "Bob Brandt", "aadObjectId": "00000000-0000-4000-8000-000000000002"}
EVE = {"id": "29:eve", "name": "Eve Ekström", "aadObjectId": "00000000-0000-4000-8000-000000000003"}
#: More than a card takes, so that it is read in pages.
LONG = {"to": "jane@example.com", "body": "\n".join(f"Line {number} of the letter." for number in range(150))}
ANSWERS = ("Approve", "Reject…", "Skip", "I'm on it", "View all")


@dataclass(kw_only=True)
class Rig:
    """The Playground's page, with Nod on the other side."""

    system: System
    playground: Playground
    page: Page
    place: str

    async def asked(self, what: str, **more: Any) -> tuple[str, Locator]:
        """An agent waits; its request's id and its card, once it is up."""
        tool = f"{what}_{self.place}"
        request_id = self.system.ask(tool=tool, timeout_seconds=120, **more)
        card = self.page.locator(".ac-adaptiveCard").filter(has_text=tool).last
        await expect(card).to_contain_text(f"Approve {tool}?", timeout=10_000)
        # What takes its place later need not name the tool; the frame around it stays.
        await card.evaluate(
            "(card, id) => card.closest('.ac-preview-panel').setAttribute('data-asked', id)", request_id
        )
        return request_id, self.page.locator(f'[data-asked="{request_id}"]')

    async def press(self, card: Locator, button: str) -> None:
        """Press the button that is called so."""
        await card.get_by_role("button", name=button, exact=True).last.click()

    async def ends(self, request_id: str, card: Locator, word: str, said: str) -> None:
        """The platform got this once, and the card says so and has no button."""
        await expect(card).to_contain_text(said, timeout=10_000)
        for button in (*ANSWERS, "Why am I seeing this?"):
            await expect(card.get_by_role("button", name=button, exact=True)).to_have_count(0)
        await until(lambda: [word] == self.system.effects(request_id), what=f"the platform to be told {word}")

    async def press_as(self, person: dict[str, str], verb: str) -> dict[str, Any]:
        """Another person presses what was last pressed with this verb; returns the answer to that person.

        The Playground is one person's; others are its "Custom activity".
        """
        ear = self.playground.ear
        number = len(ear.told)
        activity = {**ear.invokes(verb)[-1].activity, "from": person, "id": f"{person['id']}-{number}"}
        await self.page.get_by_role("button", name="Mock an Activity").click()
        await self.page.get_by_role("menuitem", name="Custom activity").click()
        form = self.page.get_by_role("dialog")
        await form.get_by_role("textbox").focus()
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.insert_text(json.dumps(activity))
        await self.page.keyboard.press("Control+Shift+End")  # the editor closes brackets by itself
        await self.page.keyboard.press("Delete")
        await form.get_by_role("button", name="Send activity").click()
        await until(lambda: bool(ear.of(person["id"], number)), what=f"{person['name']} to be answered")
        answer: dict[str, Any] = ear.of(person["id"], number)[0].answer
        return answer


@asynccontextmanager
async def open_rig(folder: Path, place: str) -> AsyncIterator[Rig]:
    """Nod on the sandbox platform, with the Playground as its Teams, looked at in one of its conversations."""
    async with open_playground(folder) as playground, open_browser() as browser, open_sandbox() as sandbox:
        settings = environment(
            sandbox, folder, policy=POLICY, SLACK_BOT_TOKEN="", SLACK_SIGNING_SECRET="",
            MicrosoftAppTenantId="11111111-1111-4111-8111-111111111111",
            NOD_TEAMS_SERVICE_HOSTS="localhost", DANGEROUSLY_ALLOW_UNAUTHENTICATED_TEAMS="true",
        )  # fmt: skip
        async with open_nod(Environment.model_validate(settings)) as nod:
            playground.ear.forward_to = f"{nod.address}/api/messages"
            page = await browser.new_page(viewport={"width": 1300, "height": 1000})
            page.set_default_timeout(10_000)
            # Its fonts are on the internet, where no test goes.
            local = re.compile(r"^(https?://localhost:|data:|blob:)")
            await page.route(
                "**/*", lambda asked: asked.continue_() if local.match(asked.request.url) else asked.abort()
            )
            await page.goto(playground.url)
            # A conversation knows of the bot once it was looked at; the team is where alerts go.
            for listed in ("Leads", "Acme - General", PLACES[place]):
                await page.get_by_role("treeitem", name=listed).click()
            await until(lambda: len(playground.ear.told) >= 6, what="the conversations to be known")
            yield Rig(
                system=System(sandbox=sandbox, folder=folder), playground=playground, page=page, place=place
            )
            assert not [told for told in playground.ear.told if told.worst >= 400]


@pytest.mark.parametrize("place", PLACES)
async def test_every_button(tmp_path: Path, place: str) -> None:
    """Each button does what it says, a double click is one click, and no answer of Nod's is an error."""
    async with open_rig(tmp_path, place) as rig:
        request_id, card = await rig.asked("mail")
        await card.get_by_role("button", name="Approve", exact=True).dblclick()
        await rig.ends(request_id, card, "approved", "by Ann Albers")
        assert 2 == len(rig.playground.ear.invokes("nod_approve"))

        request_id, card = await rig.asked("pay")
        await rig.press(card, "Why am I seeing this?")
        await expect(card).to_contain_text("You can decide this.")
        await rig.press(card, "Back to the card")
        await rig.press(card, "Reject…")
        await card.get_by_role("textbox").fill("The order was cancelled.")
        await rig.press(card, "Reject")
        await rig.ends(request_id, card, "rejected", "The order was cancelled.")

        request_id, card = await rig.asked("book")
        await rig.press(card, "I'm on it")
        await expect(card).to_contain_text(re.compile("(You are|Ann Albers is) on it"))
        await rig.press(card, "Approve")
        await rig.ends(request_id, card, "approved", "by Ann Albers")

        request_id, card = await rig.asked("buy")
        await rig.press(card, "Skip")
        await rig.ends(request_id, card, "skipped", "by Ann Albers")

        request_id, card = await rig.asked("letter", arguments=LONG)
        await rig.press(card, "View all")
        await expect(card).to_contain_text("Page 1 of 3")
        await expect(card).to_contain_text("Line 0 of the letter.")
        await rig.press(card, "Next page")
        await expect(card).to_contain_text("Page 2 of 3")
        await rig.press(card, "Next page")
        await expect(card).to_contain_text("Line 149 of the letter.")
        await rig.press(card, "Approve")
        await rig.ends(request_id, card, "approved", "by Ann Albers")


@pytest.mark.parametrize("place", [place for place in PLACES if place != "ann-alone"])
async def test_a_second_user(tmp_path: Path, place: str) -> None:
    """A person who cannot decide reads so; a second person's vote makes the quorum."""
    async with open_rig(tmp_path, place) as rig:
        request_id, card = await rig.asked("two")
        await rig.press(card, "Approve")
        await expect(card).to_contain_text("Ann Albers approved", timeout=5_000)

        refused = await rig.press_as(EVE, "nod_approve")
        assert "can decide this." in json.dumps(refused)
        assert [] == rig.system.effects(request_id)

        await rig.press_as(BOB, "nod_approve")
        await rig.ends(request_id, card, "approved", "Bob Brandt")
