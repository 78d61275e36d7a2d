"""What is gathered on a digest, and what keeps a card of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.flow.batch import FEWEST, LATEST, latest, too_much
from bot.records import Waiting

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def waiting(number: int, *, window: float, agent: str = "agent", age: float = 0.0) -> Waiting:
    """A card that waits; `window` and `age` are in seconds."""
    first_seen = NOW - timedelta(seconds=age)
    return Waiting(
        card_id=f"card-{number}",
        approval_id=f"req-{number}",
        agent_id=agent,
        first_seen=first_seen,
        deadline=first_seen + timedelta(seconds=window),
    )


def gathered(
    queue: list[Waiting],
    *,
    flooding: dict[str, int] | None = None,
    flood: int = 30,
    fewest: int = FEWEST,
    met: datetime = NOW,
) -> list[str]:
    due = [(card, latest(card, met)) for card in queue]
    return list(too_much(due, now=NOW, interval=SECOND, flooding=flooding or {}, flood=flood, fewest=fewest))


def test_what_fits_in_time_has_cards_of_its_own() -> None:
    """Ten requests of three minutes go up within a tenth of their window."""
    assert [] == gathered([waiting(n, window=180) for n in range(10)])


def test_a_burst_is_gathered_behind_what_goes_up_in_time() -> None:
    """Of 500 requests of three minutes at one message a second, 14 have cards within 14 s."""
    queue = [waiting(n, window=180) for n in range(500)]

    over = gathered(queue)

    assert [card.card_id for card in queue[14:]] == over


def test_the_earliest_deadline_has_a_card_of_its_own_even_when_it_is_late() -> None:
    """The first of the queue goes up next in any case."""
    queue = [waiting(n, window=10, age=9) for n in range(3)]

    assert ["card-1", "card-2"] == gathered(queue)
    assert ["card-1", "card-2"] == gathered(queue, met=NOW - 5 * SECOND)


def test_one_late_card_is_a_card_and_no_digest() -> None:
    """A digest for one request would take the turn that the card needs."""
    assert [] == gathered([waiting(1, window=10), waiting(2, window=10)])


def test_one_late_card_joins_a_digest_that_is_up() -> None:
    """It costs no turn there."""
    assert ["card-2"] == gathered([waiting(1, window=10), waiting(2, window=10)], fewest=1)


def test_the_next_card_is_in_time_while_its_moment_is_not_over() -> None:
    """It goes up now, so it does not join a digest for the turns that others would have to wait."""
    assert [] == gathered([waiting(1, window=5)], fewest=1)


def test_a_long_window_goes_up_although_a_short_one_before_it_does_not() -> None:
    """Each card is measured by its own window."""
    short = [waiting(n, window=10) for n in range(4)]
    long = [waiting(n, window=3600) for n in range(4, 8)]

    assert ["card-1", "card-2", "card-3"] == gathered([*short, *long])


def test_an_agent_that_floods_is_capped_and_the_others_are_not() -> None:
    """Beyond its share an agent's requests are gathered, however much time they have."""
    loud = [waiting(n, window=86_400, agent="loud") for n in range(40)]
    quiet = [waiting(n, window=86_400, agent="quiet") for n in range(40, 45)]

    over = gathered([*loud, *quiet], flooding={"loud": 40}, flood=30)

    assert [f"card-{n}" for n in range(30, 40)] == over


def test_a_flooding_agent_with_its_share_of_cards_gets_no_more() -> None:
    """Its requests that are up already count."""
    queue = [waiting(n, window=86_400, agent="loud") for n in range(5)]

    assert [f"card-{n}" for n in range(5)] == gathered(queue, flooding={"loud": 60}, flood=30)


@given(
    windows=st.lists(st.floats(min_value=1, max_value=86_400), min_size=1, max_size=80),
    interval=st.floats(min_value=0.1, max_value=5),
)
def test_whatever_keeps_its_card_gets_it_within_a_tenth_of_its_window(
    windows: list[float], interval: float
) -> None:
    """At the channel's pace, all but the first of the queue and a lone straggler are up in time.

    Where something is gathered, the digest's message takes a turn, too.
    """
    queue = sorted((waiting(n, window=w) for n, w in enumerate(windows)), key=lambda card: card.deadline)
    pace = timedelta(seconds=interval)

    due = [(card, latest(card, NOW)) for card in queue]
    over = set(too_much(due, now=NOW, interval=pace, flooding={}, flood=30))

    kept = [card for card in queue if card.card_id not in over]
    late = [
        card
        for place, card in enumerate(kept)
        if place
        and NOW + pace * (place + bool(over)) > card.first_seen + (card.deadline - card.first_seen) * LATEST
    ]
    assert len(late) <= (0 if over else 1)
