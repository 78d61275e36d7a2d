"""An agent cannot hide what would run behind a mask and leave Approve on."""

import random
import re
from collections.abc import Iterator

import pytest

from bot.protocol import Json
from bot.redaction import Redaction
from tests.curtains import ENCODINGS, MEANINGS, NAMES, PLACES

REDACTION = Redaction()
MARK = re.compile(r"‹redacted (\d+) chars?(?P<text> of text)?›")


def texts(value: Json) -> Iterator[str]:
    """Every text in a value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def hidden(call: Json) -> int:
    """Characters behind masks of a call that could be approved; none when it cannot."""
    shown = "\n".join(texts(REDACTION.redact(call)))
    marks = list(MARK.finditer(shown))
    return 0 if any(mark["text"] for mark in marks) else sum(int(mark[1]) for mark in marks)


def check(seed: int, count: int) -> None:
    """So many drawn calls: of none is the larger part of the meaning hidden, and Approve on."""
    draw = random.Random(seed)
    behind = []
    for _ in range(count):
        meaning, name = draw.choice(MEANINGS), draw.choice(NAMES)
        encoding, place = draw.choice(list(ENCODINGS)), draw.choice(list(PLACES))
        written = ENCODINGS[encoding](meaning)
        call = PLACES[place](name, written)
        if 2 * hidden(call) >= len(written):
            behind.append((meaning, encoding, name, place, REDACTION.redact(call)))

    assert [] == behind


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_nothing_is_hidden_with_approve_on(encoding: str, place: str) -> None:
    """Each way to write it, in each place, under two names and with two meanings of the lists."""
    draw = random.Random(f"{encoding} {place}")
    for meaning in draw.sample(MEANINGS, 2):
        for name in draw.sample(NAMES, 2):
            written = ENCODINGS[encoding](meaning)
            call = PLACES[place](name, written)

            assert 2 * hidden(call) < len(written), (meaning, name, REDACTION.redact(call))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_hidden_with_approve_on_in_many_calls(seed: int) -> None:
    """100,000 drawn calls."""
    check(seed, 10_000)
