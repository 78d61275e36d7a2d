"""Plays one story with the toys of `test_overlay.py`, and prints what happened as JSON.

Its first argument is a folder for the bot's files. The checkout with the toys is where it is started.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters.toy_chat import OPEN, TOY  # type: ignore[import-not-found]  # written by the test
from adapters.toy_source import SOURCES  # type: ignore[import-not-found]  # written by the test

from adapters.app import open_nod
from adapters.pagers import toy as pagers  # type: ignore[attr-defined]  # written by the test
from adapters.settings import Environment
from bot.card import Button
from bot.desk import Click
from bot.protocol import HITLRequest
from sandbox.servers import open_sandbox

POLICY = """
poll_every: 100ms
sources:
  toys: {kind: toy, url: "http://127.0.0.1:1", key: "${TOY_KEY}"}
people: {ann: {toy: ann-of-the-toys}}
routes:
  - name: default
    match: {}
    cards: [toy:room]
    approvers: [ann]
    ladder: [{at: 8%, do: shout}, {at: 90%, do: shout}]
alerts: [toy:bell, "toybell:tower"]
"""


async def until(seen: Callable[[], Any]) -> Any:
    """What is seen once it is there. Raises TimeoutError after 20 s."""
    async with asyncio.timeout(20):
        while not (found := seen()):
            await asyncio.sleep(0.01)
    return found


async def play(folder: Path) -> dict[str, object]:
    """A request appears, its step fires, the toy alert pages, and Ann approves in the toy chat."""
    (folder / "nod.yaml").write_text(POLICY)
    async with open_sandbox() as sandbox:
        settings = {
            "AIP_API_URL": sandbox.url,
            "AIP_API_KEY": sandbox.environment()["AIP_API_KEY"],
            "NOD_CONFIG": str(folder / "nod.yaml"),
            "NOD_DATABASE_URL": f"sqlite:///{folder / 'nod.db'}",
            "NOD_SECRET": "5f0c2d9ab81e4736" * 2,
            "NOD_PORT": "0",
        }
        async with open_nod(Environment.model_validate(settings)):
            (source,) = SOURCES
            source.waiting["t1"] = HITLRequest(
                request_id="t1", tool_name="send_mail", arguments={"to": "jane@example.com"}, agent_id="mail",
                timeout_seconds=60, source=source.name,
            )  # fmt: skip
            (chat,) = OPEN
            (ref, card), *_ = await until(lambda: [*chat.cards.items()])
            ahead = [str(part) for line in card.status for part in line]
            await until(lambda: pagers.PAGED and chat.alerts)
            click = Click(
                surface=TOY, account="ann-of-the-toys", home=True, value=card.buttons[Button.APPROVE],
                channel="room", ref=ref, verb=Button.APPROVE,
            )  # fmt: skip
            reply = await chat.desk.press(click)
            await until(lambda: chat.cards[ref].state == "approved")
            await until(lambda: source.decided)
    return {
        "ahead": ahead,
        "paged": pagers.PAGED,
        "alerted": [alert.text for alert in chat.alerts],
        "reply": type(reply).__name__,
        "decided": source.decided,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(play(Path(sys.argv[1])))))
