"""A wait of the tests does not count what others do on the machine, and ends all the same."""

from __future__ import annotations

import pytest

from tests.servers.fair_time import AT_MOST, FairTime


@pytest.mark.parametrize(
    ("took", "held", "over"),
    [
        (4.9, 0.0, False),
        (5.0, 0.0, True),
        (9.0, 4.1, False),
        (9.0, 3.9, True),  # Nod itself took so long
        (5.0 * AT_MOST, 999.0, True),  # nobody waits for ever
    ],
)
def test_what_others_took_is_not_counted(took: float, held: float, over: bool) -> None:
    """Five seconds are five in which the process could run."""
    now = [100.0, 7.0]
    time = FairTime(5.0, clock=lambda: now[0], held=lambda: now[1])
    now[:] = [100.0 + took, 7.0 + held]
    assert over is time.is_over


def test_nothing_is_taken_off_where_no_kernel_tells() -> None:
    """Then seconds are seconds."""
    now = [0.0]
    time = FairTime(1.0, clock=lambda: now[0], held=lambda: 0.0)
    now[0] = 1.0
    assert time.is_over
