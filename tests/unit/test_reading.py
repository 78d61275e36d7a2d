"""What a person was shown of a call, sealed: it opens for exactly that person, card, call and text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.seal import Pages, Reading, Seal
from bot.surface import Surface

SECRET = "s" * 32
READING = Reading(
    seal=Seal(SECRET), surface=Surface.SLACK, account="U0ANN", card_id="card", digest="d", call="call"
)
NUMBERS = st.integers(0, 9_999)


@given(seen=NUMBERS, more=NUMBERS, account=st.text(max_size=20), call=st.text(max_size=200))
def test_what_was_shown_comes_back(seen: int, more: int, account: str, call: str) -> None:
    """The pages, whatever the account and the text are; whole only when the last one was shown."""
    reading, pages = replace(READING, account=account, call=call), Pages(seen=seen, count=seen + more + 1)
    value = reading.sealed(pages)
    assert pages == reading.opened(value)
    assert pages.whole is (more == 0)
    assert len(value) <= 70


@given(
    account=st.text(max_size=8),
    card_id=st.text(max_size=8),
    digest=st.text(max_size=8),
    call=st.text(max_size=8),
    surface=st.sampled_from([Surface.SLACK, Surface.TEAMS]),
)
def test_nobody_else_can_use_it(account: str, card_id: str, digest: str, call: str, surface: Surface) -> None:
    """Another person, card, call, text or surface: it does not open, wherever the border between two lies."""
    value = READING.sealed(Pages(seen=1, count=2))
    other = replace(READING, surface=surface, account=account, card_id=card_id, digest=digest, call=call)
    assert (other.opened(value) is None) is (other != READING or call != READING.call)


@given(place=st.integers(0, 60), sign=st.characters())
def test_one_other_sign_and_it_does_not_open(place: int, sign: str) -> None:
    """Wherever it is changed: the numbers are under the seal as well."""
    value = READING.sealed(Pages(seen=1, count=2))
    changed = value[:place] + sign + value[place + 1 :]
    assert (READING.opened(changed) is not None) is (changed == value)


@pytest.mark.parametrize(
    "other",
    [{"account": "U0BOB"}, {"card_id": "c"}, {"digest": "e"}, {"call": "c\ud800"}, {"surface": Surface.TEAMS}],
    ids=lambda other: next(iter(other)),
)
def test_each_part_counts_alone(other: dict[str, Any]) -> None:
    """One of them differs, and all the others are the same; half a surrogate pair is no error."""
    value = READING.sealed(Pages(seen=1, count=2))
    assert replace(READING, **other).opened(value) is None
    assert replace(READING, **other).opened(replace(READING, **other).sealed(Pages(seen=1, count=2)))


@pytest.mark.parametrize("moved", [".2.3.", ".1.2.", ".1.30."])
def test_nobody_turns_pages_in_the_value(moved: str) -> None:
    """Neither the last page that was shown nor how many there are."""
    value = READING.sealed(Pages(seen=1, count=3))
    assert READING.opened(value) == Pages(seen=1, count=3)
    assert READING.opened(value.replace(".1.3.", moved)) is None


def test_no_page_comes_after_the_last() -> None:
    """Under whatever seal."""
    assert READING.opened(READING.sealed(Pages(seen=3, count=3))) is None


def test_a_look_never_opens_a_button_nor_a_button_a_look() -> None:
    """Both have keys of their own, made of the same secret."""
    seal = Seal(SECRET)
    button = seal.value(card_id="card", verb="approve", digest="d")
    assert seal.open(READING.sealed(Pages(seen=0, count=1))) is None
    assert READING.opened(button) is None


def test_an_old_secret_still_opens_during_a_rotation() -> None:
    """A page shown before the secret changed was shown all the same; a strange secret opens nothing."""
    value = READING.sealed(Pages(seen=0, count=1))
    assert replace(READING, seal=Seal("n" * 32, SECRET)).opened(value) is not None
    assert replace(READING, seal=Seal("n" * 32)).opened(value) is None
