"""The kinds of platforms that Nod reads and answers, and how each is opened. A new kind is one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import partial

from adapters.clock import Timepiece
from adapters.platform.answers import Names
from adapters.platform.client import open_platform
from adapters.settings import SourceAddress
from bot.alerts import subject_of
from bot.errors import ConfigError
from bot.flow.ingest import Ingest
from bot.policy import Policy
from bot.ports import Clock, Metrics, Source
from bot.protocol import GLAIP
from bot.store import Store
from bot.wording import called_platform

Open = Callable[[SourceAddress, Clock, str], AbstractAsyncContextManager[Source]]


def _glaip(address: SourceAddress, clock: Clock, called: str) -> AbstractAsyncContextManager[Source]:
    names = Names(platform=called, url=address.url_named, key=address.key_named)
    return open_platform(
        address.url, address.key.get_secret_value(), clock=clock, name=address.name, names=names
    )


#: How to open each, given its settings, the clock, and what messages call it.
KINDS: Mapping[str, Open] = {GLAIP: _glaip}


def open_source(address: SourceAddress, clock: Clock, *, named: bool) -> AbstractAsyncContextManager[Source]:
    """One source, until closed; messages use its name if it is `named`. Raises ConfigError."""
    check_kinds([address])
    return KINDS[address.kind](address, clock, called_platform(address.name if named else ""))


def check_kinds(addresses: Iterable[SourceAddress]) -> None:
    """Raises ConfigError for a kind that there is none of."""
    for one in addresses:
        if one.kind not in KINDS:
            near = get_close_matches(one.kind, KINDS, n=1)
            fix = f"Did you mean {near[0]}?" if near else f"The kinds are {', '.join(KINDS)}."
            raise ConfigError(one.where, f"sources.{one.name}.kind: there is no kind {one.kind!r}", fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """A source that is polled at its interval."""

    ingest: Ingest
    every: timedelta

    def silent_since(self, now: datetime, *, least: timedelta) -> str | None:
        """Since when it cannot be read, in words; None while it can. One failed poll is no reason."""
        last, what = self.ingest.polls.last_good, f"no successful poll of {self.ingest.about.facts['platform']}"
        if last is None:
            return f"{what} yet"
        late = abs(now - last) > max(3 * self.every, least)  # a clock that was set back hides nothing
        return f"{what} since {last.isoformat(timespec='seconds')}" if late else None


async def open_sources(
    stack: AsyncExitStack,
    addresses: Sequence[SourceAddress],
    *,
    every: timedelta,
    store: Store,
    policy: Callable[[], Policy],
    clock: Timepiece,
    metrics: Metrics,
    run_of: Callable[[str], str | None] | None,
    instead: Source | None = None,
) -> list[Polled]:
    """Each source with what reads it, `every` so often unless it says otherwise. Raises ConfigError.

    `run_of` knows the runs of `glaip`. `instead` is read in place of all of them.
    """
    named, found = len(addresses) > 1, []
    for one in addresses:
        source = instead
        if source is None:
            source = await stack.enter_async_context(open_source(one, clock, named=named))
        ingest = Ingest(
            source=source, store=store, policy=policy, clock=clock, metrics=metrics,
            run_of=run_of if one.name == GLAIP else None, heard=partial(clock.heard, source=one.name),
            about=subject_of(one.name, named=named),
        )  # fmt: skip
        found.append(Polled(ingest=ingest, every=one.every or every))
    return found


def silent(polled: Sequence[Polled], now: datetime, *, least: timedelta) -> list[str]:
    """Those that cannot be read, in words."""
    found = (one.silent_since(now, least=least) for one in polled)
    return [words for words in found if words is not None]
