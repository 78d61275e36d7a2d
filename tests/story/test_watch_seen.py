"""A terminal that is not what its variables say: nothing unseen is approved, by either door."""

from __future__ import annotations

import pytest

from adapters.terminal.screen import TOO_SMALL
from adapters.terminal.sheet import NOT_YET
from tests.sampling import sampled
from tests.servers.terminal_rig import at_a_terminal, prompted, settled

LONG = {"body": "\n".join(f"line {number}" for number in range(60)), "end": "of it"}
CANNOT_DRAW = [{"TERM": "dumb"}, {"TERM": "unknown"}, {"TTY_COMPATIBLE": "0"}, {"TTY_INTERACTIVE": "0"}]


async def test_the_size_is_the_windows_and_not_what_variables_say() -> None:
    """With LINES and COLUMNS exported, as some shells do, a page has as many rows as there are."""
    variables = {"LINES": "100", "COLUMNS": "100", "FORCE_COLOR": ""}
    async with at_a_terminal("--interactive", variables=variables, arguments=LONG) as rig:
        await rig.terminal.shows("line 0", "% shown")
        await settled()
        rig.terminal.press("y")
        assert "line 30" not in await rig.terminal.shows(NOT_YET)
        rig.terminal.resize(90, 90)
        await rig.terminal.shows("line 59", "of it", "100 % shown")
    assert [] == rig.posts


async def test_a_prompt_keeps_to_the_window_too() -> None:
    """The same for a user's program."""
    async with prompted({"tool": "pay", "arguments": LONG}, variables={"LINES": "100"}) as rig:
        await rig.terminal.shows("line 0", "% shown")
        await settled()
        rig.terminal.press("y")
        assert "line 30" not in await rig.terminal.shows(NOT_YET)
    assert [] == rig.posts


async def test_a_size_that_the_terminal_does_not_tell() -> None:
    """Nobody knows what can be seen there: the call stays out of it, and an Approve of it does not count."""
    async with at_a_terminal("--interactive", ask=False) as rig:
        await rig.terminal.shows("No pending requests.")
        rig.terminal.resize(0, 0)
        rig.platform.ask(tool="pay", arguments={"amount": 12})
        await rig.terminal.shows(TOO_SMALL)
        await settled()
        rig.terminal.press("y")
        await settled()
        assert "amount" not in rig.terminal.raw
        rig.terminal.resize(24, 80)
        await rig.terminal.shows("amount  12", NOT_YET)
    assert [] == rig.posts


@pytest.mark.parametrize("variables", sampled(CANNOT_DRAW, quick=(0, 2)), ids=str)
async def test_where_nothing_can_be_drawn_nothing_is_asked(variables: dict[str, str]) -> None:
    """2, as without a terminal, and it says so."""
    async with at_a_terminal("--interactive", variables=variables) as rig:
        assert 2 == await rig.terminal.ends()
        await rig.terminal.shows("needs a terminal", "TERM")
    assert [] == rig.posts


@pytest.mark.parametrize("variables", sampled(CANNOT_DRAW[:3], quick=(1,)), ids=str)
async def test_where_nothing_can_be_drawn_the_callback_answers(variables: dict[str, str]) -> None:
    """The guide's rule: interactive is off where there is no terminal."""
    async with prompted({"tool": "pay"}, variables=variables) as rig:
        await rig.terminal.shows("ended: ['rejected']")
    assert ["by the callback"] == [post.operator_input for post in rig.platform.decisions]
