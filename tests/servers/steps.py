"""What the world does while people press buttons: the platform, the operators, the network, the machine."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from bot.card import Button
from bot.errors import Unavailable
from bot.surface import Surface
from tests.servers.flaky import Mishap, ProcessEnds
from tests.servers.presses import During, Next, Press, Together
from tests.servers.random_walk import POLICIES, SLACK, TEAMS, Ask, Step, Trouble, Wait, Walk


@dataclass(frozen=True)
class Change(Step):
    """The platform lists another call under a known id."""

    which: int
    amount: int

    async def done(self, walk: Walk) -> None:
        request = walk.waiting(self.which)
        if request is not None:
            changed = replace(request, arguments={"to": "ann", "amount": self.amount})
            walk.outside.platform.waiting[request.request_id] = changed


@dataclass(frozen=True)
class Hide(Step):
    """The platform does not list one that still waits."""

    which: int

    async def done(self, walk: Walk) -> None:
        request = walk.waiting(self.which)
        if request is not None:
            walk.outside.platform.hidden.add(request.request_id)


@dataclass(frozen=True)
class ListAgain(Step):
    """It lists all that wait."""

    async def done(self, walk: Walk) -> None:
        walk.outside.platform.hidden.clear()


@dataclass(frozen=True)
class Elsewhere(Step):
    """A person answers on the platform itself."""

    which: int
    word: str

    async def done(self, walk: Walk) -> None:
        request = walk.waiting(self.which)
        if request is not None:
            del walk.outside.platform.waiting[request.request_id]
            walk.outside.platform.words[request.request_id] = self.word


@dataclass(frozen=True)
class Silence(Step):
    """The platform's audit tells nothing from here on."""

    async def done(self, walk: Walk) -> None:
        walk.outside.platform.silent = walk.was_silent = True


@dataclass(frozen=True)
class Away(Step):
    """A chat cannot be reached, until it can."""

    surface: Surface

    async def done(self, walk: Walk) -> None:
        walk.chat(self.surface).trouble = Unavailable("it is away")


@dataclass(frozen=True)
class Back(Step):
    """Both chats can be reached."""

    async def done(self, walk: Walk) -> None:
        walk.outside.chat.trouble = walk.outside.teams.trouble = None


@dataclass(frozen=True)
class Reload(Step):
    """The operator puts another file in force."""

    number: int

    async def done(self, walk: Walk) -> None:
        walk.policy = walk.work.policy = POLICIES[self.number]
        walk.reloaded = True


@dataclass(frozen=True)
class Delete(Step):
    """A person deletes a message of the bot."""

    surface: Surface
    message: int

    async def done(self, walk: Walk) -> None:
        chat = walk.chat(self.surface)
        refs = [*chat.cards, *chat.digests]
        if refs:
            chat.deleted.add(refs[-1 - self.message % len(refs)])


@dataclass(frozen=True)
class Ends(Step):
    """The process ends between two calls, and the next one starts."""

    async def done(self, walk: Walk) -> None:
        raise ProcessEnds


async def go(walk: Walk, steps: list[Step]) -> None:
    """All of the steps, in as many processes as it takes."""
    ahead = deque(steps)
    while ahead:
        await walk.live(ahead)


#: Seconds that agents wait.
WINDOWS = (60, 120, 600)

_TOOLS = st.sampled_from(("pay", "pay", "wire"))
_SURFACES = st.sampled_from((SLACK, TEAMS))
_PEOPLE = st.sampled_from(("ann", "dee", "ann", "dee", "bob", "cyd", "eve", "gus"))
_SMALL = st.integers(0, 3)
_VERDICTS = st.sampled_from((Button.APPROVE, Button.REJECT, Button.SKIP))
_PRESS = st.builds(
    Press,
    who=_PEOPLE,
    surface=_SURFACES,
    button=st.sampled_from((Button.APPROVE, Button.APPROVE, Button.REJECT, Button.SKIP, Button.CLAIM)),
    message=_SMALL,
    look=st.sampled_from((0, 0, 0, 1, 2)),
    twice=st.sampled_from((False, False, True)),
)
_PARTS = st.sampled_from(("slack", "teams", "reads", "answers"))
_QUIET = st.one_of(
    st.builds(Change, which=_SMALL, amount=_SMALL),
    st.builds(Hide, which=_SMALL),
    st.builds(ListAgain),
    st.builds(Elsewhere, which=_SMALL, word=st.sampled_from(("approved", "rejected"))),
    st.builds(Silence),
    st.builds(Away, surface=_SURFACES),
    st.builds(Back),
    st.builds(Reload, number=st.integers(0, len(POLICIES) - 1)),
    st.builds(Delete, surface=_SURFACES, message=_SMALL),
)
_STEPS = st.one_of(
    *(5 * [_PRESS]),
    st.builds(Together, one=_PRESS, other=_PRESS),
    st.builds(Together, one=_PRESS, other=_PRESS),
    st.builds(Change, which=_SMALL, amount=_SMALL),
    st.builds(Next, who=_PEOPLE, surface=_SURFACES, button=_VERDICTS),
    st.builds(Wait, seconds=st.sampled_from((0, 1, 3, 10, 25))),
    st.builds(Ask, tool=_TOOLS, window=st.sampled_from(WINDOWS)),
    st.builds(Ask, tool=_TOOLS, window=st.just(20), count=st.integers(2, 4)),
    _QUIET,
    _QUIET,
    st.builds(
        Trouble, part=_PARTS, mishaps=st.lists(st.sampled_from(Mishap), min_size=1, max_size=4).map(tuple)
    ),
    st.builds(During, part=_PARTS, step=st.one_of(_PRESS, _QUIET)),
    st.builds(Ends),
)
#: Something waits from the beginning.
_FIRST = st.builds(Ask, tool=_TOOLS, window=st.sampled_from(WINDOWS), count=st.integers(1, 2))


def walks(*, shortest: int, longest: int) -> st.SearchStrategy[list[Step]]:
    """Random walks of about so many steps."""
    later = st.lists(_STEPS, min_size=shortest, max_size=longest)
    return st.tuples(_FIRST, later).map(lambda both: [both[0], *both[1]])
