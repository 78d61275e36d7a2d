"""Each table takes one more row: toys are laid over a checkout, and play a story in a process of their own.

A toy costs at most three new or changed files, with the line in the list.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_FILES = 3

#: path -> what is put in front of which text; without a text the file is new.
Overlay = dict[str, tuple[tuple[str, str], ...]]

TOY_CHAT = '''"""A chat in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

from adapters.chat.channel_pager import ChannelPager
from adapters.chat.plugin import OpenChat, Opening
from bot.surface import Surface

TOY = Surface("toy")
OPEN: list[ToyChat] = []


@dataclass
class ToyChat:
    desk: Any
    cards: dict[str, Any] = field(default_factory=dict)
    alerts: list[Any] = field(default_factory=list)
    surface = TOY
    interval = timedelta()
    _numbers: Any = field(default_factory=count)

    async def post(self, card: Any, channel: str) -> str:
        self.cards[ref := f"m{next(self._numbers)}"] = card
        return ref

    async def update(self, card: Any, channel: str, ref: str) -> None:
        self.cards[ref] = card

    async def find(self, mark: str, channel: str, **_: Any) -> str | None:
        return None

    async def say(self, notice: Any, channel: str, **_: Any) -> str:
        return f"n{next(self._numbers)}"

    async def amend(self, notice: Any, channel: str, ref: str) -> None: ...

    async def dm_channel(self, account: str) -> str:
        return account

    def link(self, channel: str, ref: str) -> str | None:
        return None

    async def is_missing(self, channel: str, ref: str) -> bool:
        return False

    async def problems(self, channels: Any) -> dict[str, str]:
        return {}

    async def put_alert(self, alert: Any, channel: str, *, mark: str) -> str:
        self.alerts.append(alert)
        return mark

    async def change_alert(self, alert: Any, channel: str, ref: str, *, mark: str) -> None: ...


class ToyDirectory:
    async def members(self, group: Any) -> tuple[Any, ...]:
        return ()

    async def resolve(self, people: Any) -> tuple[Any, ...]:
        return tuple(replace(person, name=person.handle.title()) for person in people)


class ToySetUp:
    def check_place(self, place: Any, where: str) -> None: ...

    @asynccontextmanager
    async def open(self, opening: Opening) -> AsyncIterator[OpenChat]:
        OPEN.append(chat := ToyChat(desk=opening.desk))
        pager = lambda channel: ChannelPager(board=chat, channel=channel)
        yield OpenChat(chat=chat, pager=pager, directory=ToyDirectory())


def toy_set_up(environment: Any, file: Any) -> ToySetUp | None:
    return ToySetUp() if any(place.surface == TOY for place in file.places) else None
'''

TOY_SOURCE = '''"""A platform in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bot.ports import Listing
from bot.protocol import HITLRequest

SOURCES: list[ToySource] = []


@dataclass
class ToySource:
    name: str
    clock: Any
    waiting: dict[str, HITLRequest] = field(default_factory=dict)
    decided: list[tuple[str, str]] = field(default_factory=list)

    async def pending(self, **_: Any) -> Listing:
        return Listing(began_at=self.clock(), requests=tuple(self.waiting.values()))

    async def decide(self, request: HITLRequest, response: Any) -> None:
        del self.waiting[request.request_id]
        self.decided.append((request.request_id, response.decision.value))

    async def word_on(self, request_id: str) -> str | None:
        return None


@asynccontextmanager
async def toy_source(address: Any, clock: Any, called: str) -> AsyncIterator[ToySource]:
    SOURCES.append(source := ToySource(address.name, clock))
    yield source
'''

TOY_PAGER = '''"""A pager in memory."""

from __future__ import annotations

from typing import Any

PAGED: list[tuple[str, str, str]] = []


class ToyPager:
    def __init__(self, tower: str) -> None:
        self.name = f"toybell:{tower}"

    async def page(self, alert: Any, *, ref: str | None, attempted_at: Any) -> str | None:
        if alert.resolved is None:
            PAGED.append((self.name, alert.cause, alert.text))
        return self.name
'''

TOY_WORDS = """\
    Surface("toy"): ChatWords(
        channel=lambda text: text if text.isalpha() else None,
        form="toy:[a-z]+",
        example="toy:room",
        place="a room of the toys, such as toy:room",
        account=r"[a-z-]+",
        account_is="a toy",
        set_up="Wind it up",
    ),
"""
TOY_STEP = """\
    SHOUT = (
        "shout",
        StepKind(does="shouts", says="The toys shout at ", who=Takes.MAYBE, pages="toy-alarm"),
    )
"""

CHAT: Overlay = {
    "adapters/toy_chat.py": (("", TOY_CHAT),),
    "adapters/chat/words.py": (("    Surface.TEAMS: ChatWords(", TOY_WORDS),),
    "adapters/plugins.py": (
        ("from bot.errors", "from adapters.toy_chat import TOY, toy_set_up\n"),
        ("    Surface.TEAMS: teams_set_up", "    TOY: toy_set_up,\n"),
    ),
}
SOURCE: Overlay = {
    "adapters/toy_source.py": (("", TOY_SOURCE),),
    "adapters/sources.py": (
        ("from bot.alerts", "from adapters.toy_source import toy_source\n"),
        ("GLAIP: _glaip", '"toy": toy_source, '),
    ),
}
PAGER: Overlay = {
    "adapters/pagers/toy.py": (("", TOY_PAGER),),
    "adapters/pagers/services.py": (
        ("from bot.errors", "from adapters.pagers.toy import ToyPager\n"),
        ('    "webhook": _webhook', '    "toybell": lambda tower, given: ToyPager(tower),\n'),
    ),
    "adapters/settings/destinations.py": (
        ('    "webhook": _Kind', '    "toybell": _Kind(example="toybell:TOWER", check=str),\n'),
    ),
}
STEP: Overlay = {"bot/ladder.py": (("    #: A direct message to the person with the claim", TOY_STEP),)}
ALERT: Overlay = {
    "bot/alerts.py": (
        (
            "    _kind(\n        MISSED,",
            '    _kind("toy-alarm", None, one="The toys are awake: {waiting}, {left} left.{who}"),\n',
        ),
    ),
}


def lay(overlay: Overlay, checkout: Path) -> None:
    """Adds a toy."""
    for path, edits in overlay.items():
        file = checkout / path
        for before, put in edits:
            text = file.read_text() if file.exists() else ""
            assert before in text, f"{path} has no {before!r} any more"
            file.write_text(text.replace(before, put + before, 1) if before else put)


async def test_toys_need_three_files_each_and_play_a_story(tmp_path: Path) -> None:
    """A request of the toy source has a card in the toy chat; its step pages the toy pager, and Ann decides."""
    checkout, files = tmp_path / "checkout", tmp_path / "files"
    files.mkdir()
    for package in ("bot", "adapters", "nod", "sandbox"):
        shutil.copytree(ROOT / package, checkout / package)  # with what was compiled, which saves a second
    for overlay in (CHAT, SOURCE, PAGER, STEP, ALERT):
        assert len(overlay) <= MOST_FILES
        lay(overlay, checkout)

    process = await asyncio.create_subprocess_exec(
        sys.executable, ROOT / "tests/story/overlay_child.py", files,
        env={**os.environ, "PYTHONPATH": str(checkout), "TOY_KEY": "k" * 20}, cwd=checkout,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, errors = await asyncio.wait_for(process.communicate(), 60)

    assert 0 == process.returncode, errors.decode()
    story = json.loads(said.decode().splitlines()[-1])
    assert "The toys shout at " in story["ahead"]
    (paged,) = story["paged"]
    assert ["toybell:tower", "toy-alarm-0"] == paged[:2]
    assert paged[2].startswith("The toys are awake: ")
    assert [paged[2]] == story["alerted"]
    assert ("Voted", [["t1", "approved"]]) == (story["reply"], story["decided"])
