"""The local Teams throttles as the documented windows say, per conversation and for the whole app."""

import pytest

from sandbox.teams.errors import ConnectorError
from sandbox.teams.pace import WINDOWS, Kind, Pace


class Hands:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def refused(pace: Pace, kind: Kind, conversation: str) -> int | None:
    """The Retry-After of a refusal, None when it was let through."""
    try:
        pace.admit(kind, conversation)
    except ConnectorError as error:
        return error.retry_after if (error.status, error.code) == (429, "Throttled") else -1
    return None


@pytest.mark.parametrize("kind", WINDOWS)
def test_each_window_takes_what_is_documented_and_one_more_not(kind: Kind) -> None:
    """At the edge of every window the next operation is refused, and welcome after Retry-After."""
    for seconds, most in WINDOWS[kind]:
        clock = Hands()
        pace = Pace(monotonic=clock)
        # Spread evenly, so that this window fills up and no shorter one does.
        for index in range(most):
            clock.at = index * seconds / most
            assert refused(pace, kind, "19:a") is None
        clock.at = seconds - 0.001 * seconds

        wait = refused(pace, kind, "19:a")

        assert wait is not None
        assert wait > 0
        clock.at += wait
        assert refused(pace, kind, "19:a") is None


def test_another_conversation_is_not_slowed_down() -> None:
    """The windows belong to one conversation and one kind of operation."""
    pace = Pace(monotonic=Hands())
    for _ in range(7):
        pace.admit("send", "19:a")

    assert 1 == refused(pace, "send", "19:a")
    assert refused(pace, "send", "19:b") is None
    assert refused(pace, "members", "19:a") is None


def test_the_whole_app_has_thirty_a_second() -> None:
    """The thirty-first operation of a second is refused, wherever it goes."""
    pace = Pace(monotonic=Hands())
    for index in range(30):
        pace.admit("send", f"19:{index}")

    assert 1 == refused(pace, "send", "19:another")


def test_a_refused_operation_does_not_count() -> None:
    """Who keeps knocking does not wait longer."""
    clock = Hands()
    pace = Pace(monotonic=clock)
    for _ in range(7):
        pace.admit("send", "19:a")
    for _ in range(20):
        assert 1 == refused(pace, "send", "19:a")
    clock.at = 1.0

    assert refused(pace, "send", "19:a") is None
    assert 8 == len(pace.sent("19:a"))


def test_tests_may_do_without_limits() -> None:
    """`limited=False` lets everything through."""
    pace = Pace(monotonic=Hands(), limited=False)

    assert [None] * 100 == [refused(pace, "send", "19:a") for _ in range(100)]
