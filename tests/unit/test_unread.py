"""What a poll lists and nobody can read: an operator is told when it changes, and until it was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from bot.errors import Unavailable
from bot.flow.polls import Unread
from bot.ports import NO_METRICS, Listing
from bot.records import Alert

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WHY = "item 1 has no usable agent_id (string_type)"


@dataclass
class Alerts:
    """A store's alerts, as far as they are needed here; with `trouble` it takes none."""

    raised: list[str] = field(default_factory=list)
    resolved: int = 0
    trouble: bool = False

    async def raise_(self, alert: Alert) -> bool:
        if self.trouble:
            raise Unavailable("the database is locked")
        self.raised.append(alert.text)
        return True

    async def resolve(self, *_: str, **__: str) -> None:
        self.resolved += 1


@dataclass
class Books:
    """A store of alerts alone."""

    alerts: Alerts = field(default_factory=Alerts)


def listing(*reasons: str, ids: tuple[str, ...] = ()) -> Listing:
    return Listing(began_at=NOW, requests=(), set_aside=reasons, unread_ids=frozenset(ids))


def unread(books: Books) -> Unread:
    return Unread(store=books, clock=lambda: NOW, metrics=NO_METRICS)  # type: ignore[arg-type]


async def test_what_the_database_did_not_take_is_told_at_the_next_poll() -> None:
    """The list is the same, and still nobody was told."""
    books = Books(Alerts(trouble=True))
    report = unread(books).report
    with pytest.raises(Unavailable):
        await report(listing(WHY))
    books.alerts.trouble = False
    await report(listing(WHY))
    await report(listing(WHY))
    assert 1 == len(books.alerts.raised)


@pytest.mark.parametrize(
    "then",
    [listing(WHY, ids=("r2",)), listing(WHY, WHY, ids=("r1",)), listing(WHY)],
    ids=["another id", "one more without an id", "no id any more"],
)
async def test_another_item_is_news_however_alike_it_is(then: Listing) -> None:
    """The reasons are the same words: what tells items apart is their ids, and how many there are."""
    books = Books()
    report = unread(books).report
    with capture_logs() as logs:
        await report(listing(WHY, ids=("r1",)))
        await report(listing(WHY, ids=("r1",)))
        before = len(logs)
        await report(then)
    assert (1, 1 + len(then.set_aside)) == (before, len(logs))
    assert 2 == len(books.alerts.raised)


async def test_a_list_that_is_well_says_so_once() -> None:
    """At the first poll too, for an earlier process may have told of some."""
    books = Books()
    report = unread(books).report
    for one in (listing(), listing(), listing(WHY), listing(), listing()):
        await report(one)
    assert (2, 1) == (books.alerts.resolved, len(books.alerts.raised))
