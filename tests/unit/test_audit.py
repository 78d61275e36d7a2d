"""The audit chain: what is honest holds, and nothing can be changed in it unseen."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.audit import GENESIS, Fact, Row, chained, first_break
from bot.canonical import NotCanonical

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KINDS = ("admitted", "card_shown", "voted", "decided", "settled", "refused")


def honest(count: int) -> list[Row]:
    """A chain of so many rows as Nod writes it."""
    rows: list[Row] = []
    for number in range(1, count + 1):
        fact = Fact(
            kind=KINDS[number % len(KINDS)],
            at=START + timedelta(milliseconds=37 * number),
            approval_id=None if number % 7 == 0 else f"r{number % 11}",
            body={"note": f"naïve {number} 🪙", "attempt": number % 3, "who": ["ann", None], "ok": True},
        )
        rows.append(chained(fact, number=number, previous=rows[-1].hash if rows else GENESIS))
    return rows


def test_ten_thousand_honest_rows_hold() -> None:
    """No false alarm, on the whole chain and from any row that is trusted."""
    rows = honest(10_000)
    assert first_break(rows) is None
    assert first_break(rows[5_000:], after=rows[4_999]) is None
    assert first_break([]) is None


def tampered(rows: list[Row], chance: random.Random) -> tuple[list[Row], int]:
    """The rows after one random edit, deletion, swap or insertion, and the number of the first that is bad."""
    changed, place = list(rows), chance.randrange(len(rows) - 1)
    row, other = rows[place], rows[chance.randrange(len(rows))]
    act = chance.choice(("edit", "edit", "edit", "delete", "swap", "insert", "rewrite"))
    if act == "edit":
        field, value = chance.choice(
            [
                ("body", row.body.replace("naïve", "naive")),
                ("body", row.body + " "),
                ("at_ms", row.at_ms + chance.choice((-1, 1))),
                ("kind", "approved"),
                ("approval_id", "r99"),
                ("approval_id", ""),
                ("hash", other.hash if other != row else GENESIS),
                ("previous", row.hash),
                ("number", row.number + 1),
            ]
        )
        changed[place] = replace(row, **{field: value})
    elif act == "delete":
        del changed[place]
    elif act == "swap":
        changed[place], changed[place + 1] = changed[place + 1], changed[place]
    elif act == "insert":
        changed.insert(place, chance.choice((row, other, replace(other, number=row.number))))
    else:
        # A row rewritten, hash and all: it shows at the next one, which still follows the old hash.
        fact = Fact(kind="voted", at=START, approval_id="r1", body={"person": "eve"})
        changed[place] = chained(fact, number=row.number, previous=row.previous)
        return changed, row.number + 1
    if changed == rows:
        raise AssertionError("nothing was tampered with")
    return changed, row.number


def test_a_thousand_random_forgeries_are_all_found() -> None:
    """Every edit, deletion, swap and insertion is found, at the first row that does not hold."""
    rows, chance = honest(120), random.Random(20260301)
    missed = []
    for number in range(1_000):
        forged, expected = tampered(rows, chance)
        found = first_break(forged)
        # A copy put in before its own place only shows at the next row.
        if found is None or found.number not in (expected, expected + 1):
            missed.append((number, expected, found))
    assert [] == missed


def test_a_cut_beginning_is_found() -> None:
    """Without a trusted row to follow, the chain begins at its first row."""
    found = first_break(honest(5)[2:])
    assert found is not None
    assert (1, "the row in this place has the number 3") == (found.number, found.why)


def test_a_body_that_is_no_plain_json_is_refused() -> None:
    """What two readers could read differently never gets into the chain."""
    for body in ({"x": float("nan")}, {"x": 10**200}, {"x": {1, 2}}):
        with pytest.raises(NotCanonical):
            chained(Fact(kind="voted", at=START, body=body), number=1, previous=GENESIS)  # type: ignore[arg-type]  # that is the point
