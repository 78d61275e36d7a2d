"""A terminal that is not what its variables say: nothing unseen is approved, by either door."""

from __future__ import annotations

import pytest

from adapters.terminal.screen import TOO_SMALL
from adapters.terminal.sheet import NOT_YET
from tests.sampling import sampled
from tests.servers.seat import prompted, seated, settled

LONG = {"body": "\n".join(f"line {number}" for number in range(60)), "end": "of it"}
CANNOT_DRAW = [{"TERM": "dumb"}, {"TERM": "unknown"}, {"TTY_COMPATIBLE": "0"}, {"TTY_INTERACTIVE": "0"}]


async def test_the_size_is_the_windows_and_not_what_variables_say() -> None:
    """With LINES and COLUMNS exported, as some shells do, a page has as many rows as there are."""
    variables = {"LINES": "100", "COLUMNS": "100", "FORCE_COLOR": ""}
    async with seated("--interactive", variables=variables, arguments=LONG) as seat:
        await seat.terminal.shows("line 0", "% shown")
        await settled()
        seat.terminal.press("y")
        assert "line 30" not in await seat.terminal.shows(NOT_YET)
        seat.terminal.resize(90, 90)
        await seat.terminal.shows("line 59", "of it", "100 % shown")
    assert [] == seat.posts


async def test_a_prompt_keeps_to_the_window_too() -> None:
    """The same for a program of one's own."""
    async with prompted({"tool": "pay", "arguments": LONG}, variables={"LINES": "100"}) as seat:
        await seat.terminal.shows("line 0", "% shown")
        await settled()
        seat.terminal.press("y")
        assert "line 30" not in await seat.terminal.shows(NOT_YET)
    assert [] == seat.posts


async def test_a_size_that_the_terminal_does_not_tell() -> None:
    """Nobody knows what can be seen there: the call stays out of it, and an Approve of it does not count."""
    async with seated("--interactive", ask=False) as seat:
        await seat.terminal.shows("No pending requests.")
        seat.terminal.resize(0, 0)
        seat.platform.ask(tool="pay", arguments={"amount": 12})
        await seat.terminal.shows(TOO_SMALL)
        await settled()
        seat.terminal.press("y")
        await settled()
        assert "amount" not in seat.terminal.raw
        seat.terminal.resize(24, 80)
        await seat.terminal.shows("amount  12", NOT_YET)
    assert [] == seat.posts


@pytest.mark.parametrize("variables", sampled(CANNOT_DRAW, quick=(0, 2)), ids=str)
async def test_where_nothing_can_be_drawn_nothing_is_asked(variables: dict[str, str]) -> None:
    """2, as without a terminal, and it says so."""
    async with seated("--interactive", variables=variables) as seat:
        assert 2 == await seat.terminal.ends()
        await seat.terminal.shows("needs a terminal", "TERM")
    assert [] == seat.posts


@pytest.mark.parametrize("variables", sampled(CANNOT_DRAW[:3], quick=(1,)), ids=str)
async def test_where_nothing_can_be_drawn_the_callback_answers(variables: dict[str, str]) -> None:
    """The guide's rule: interactive is off where there is no terminal."""
    async with prompted({"tool": "pay"}, variables=variables) as seat:
        await seat.terminal.shows("ended: ['rejected']")
    assert ["by the callback"] == [post.operator_input for post in seat.platform.decisions]
