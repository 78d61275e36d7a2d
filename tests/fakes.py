"""Small stand-ins for the ports, for tests of the flow: they keep the contract and show what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.errors import Gone
from bot.ports import Listing
from bot.protocol import GLAIP

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.errors import NodError
    from bot.ports import Clock
    from bot.protocol import HITLRequest, HITLResponse


class FakePlatform:
    """A `bot.ports.Source` in memory: put requests into `waiting`, read what was decided from `decided`."""

    name = GLAIP

    def __init__(self, *, clock: Clock) -> None:
        self.waiting: dict[str, HITLRequest] = {}
        self.decided: list[tuple[str, HITLResponse]] = []  #: every decision that was taken, oldest first
        self.set_aside: list[str] = []  #: why items of the list cannot be read; each is `unread-1`, …
        self.words: dict[str, str] = {}  #: what its audit says; empty it, and the audit is silent
        self.poll_trouble: list[NodError] = []  #: raised by the next polls, one each
        self.decide_trouble: list[NodError] = []  #: raised by the next decisions, one each, before they happen
        self.lost_answers: list[NodError] = []  #: raised by the next decisions, one each, after it happened
        self._clock = clock

    async def pending(self, *, known: str = "") -> Listing:
        began_at = self._clock()
        if self.poll_trouble:
            raise self.poll_trouble.pop(0)
        return Listing(
            began_at=began_at,
            requests=tuple(self.waiting.values()),
            set_aside=tuple(self.set_aside),
            unread_ids=frozenset(f"unread-{number}" for number, _ in enumerate(self.set_aside, start=1)),
        )

    async def decide(self, request: HITLRequest, response: HITLResponse) -> None:
        if self.decide_trouble:
            raise self.decide_trouble.pop(0)
        if self.waiting.pop(request.request_id, None) is None:
            raise Gone("nothing waits under this id")
        self.decided.append((request.request_id, response))
        self.words[request.request_id] = response.decision.value
        if self.lost_answers:
            raise self.lost_answers.pop(0)

    async def word_on(self, request_id: str) -> str | None:
        return self.words.get(request_id)


class Counting:
    """A `bot.ports.Metrics` that tells of each event that is counted."""

    def __init__(self, heard: Callable[[str], object]) -> None:
        self._heard = heard

    def count(self, name: str, **labels: str) -> None:
        if not labels:  # a metric of its own: what happened is counted beside it
            self._heard(name)

    def observe(self, name: str, value: float, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, **labels: str) -> None: ...
