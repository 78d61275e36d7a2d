"""A sentence in a chat that gives each moment a place of its own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.wording import Saying, set_apart

AT = datetime(2026, 3, 1, 14, 32, tzinfo=UTC)


@pytest.mark.parametrize(
    ("saying", "apart"),
    [
        (("Waits until ", AT, "."), ("Waits until ", AT)),
        (("Nobody answered by ", AT, ". Asked: ops."), ("Nobody answered by ", AT, "· Asked: ops.")),
        (("Ann approved this ", AT, ", but too late"), ("Ann approved this ", AT, "· but too late")),
        (("Ann rejected ", AT, ": ...no: not now"), ("Ann rejected ", AT, "· ...no: not now")),
        (("Ann rejected ", AT, ""), ("Ann rejected ", AT)),
        (("Until ", AT, " (then it goes on)", ". 9 s left"), ("Until ", AT, " (then it goes on). 9 s left")),
        (("pay: ", "Nobody answered by ", AT), ("pay: Nobody answered by ", AT)),
        ((". words",), (". words",)),
        ((AT, AT, "."), (AT, AT)),
        ((), ()),
    ],
)
def test_no_stop_stands_alone_behind_a_moment(saying: Saying, apart: Saying) -> None:
    """Words side by side are one part; what follows a moment is joined by a dot and not by a lone stop."""
    assert apart == set_apart(saying)
