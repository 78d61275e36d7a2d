"""Opens the external schedules: one client for all of them, closed with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager

from adapters.http import open_client
from adapters.oncall import ICAL, OPSGENIE, PAGERDUTY, Schedules
from adapters.oncall.ical import Calendars
from adapters.oncall.services import (
    LIMIT,
    OPSGENIE_URL,
    PAGERDUTY_URL,
    Fetch,
    OpsgenieSchedules,
    PagerDutySchedules,
)
from bot.errors import ConfigError
from bot.rotation import ScheduleRef


@asynccontextmanager
async def open_schedules(
    refs: Iterable[ScheduleRef],
    *,
    pagerduty_key: str | None,
    opsgenie_key: str | None,
    hosts: Collection[str],
    pagerduty_url: str = PAGERDUTY_URL,
    opsgenie_url: str = OPSGENIE_URL,
    limit: float = LIMIT,
) -> AsyncIterator[Mapping[str, Schedules]]:
    """Who knows which kind of schedules, while the block runs; nothing is asked before the first look-up.

    `refs` are those of the file at start; others may be asked for later, when the file changes. `hosts` may be
    asked for calendars; `limit` is in seconds, of one look-up. Raises ConfigError, naming the variable, when a
    kind that the file names has no key.
    """
    named = {ref.kind for ref in refs}
    for kind, key, variable in (
        (PAGERDUTY, pagerduty_key, "PAGERDUTY_API_KEY"),
        (OPSGENIE, opsgenie_key, "OPSGENIE_API_KEY"),
    ):
        if kind in named and not key:
            raise ConfigError(
                variable,
                f"is not set, but nod.yaml names a {kind} schedule",
                "Set it to a key that can read schedules.",
            )
    async with open_client(timeout=limit) as client:
        fetch = Fetch(client=client, limit=limit)
        kinds: dict[str, Schedules] = {ICAL: Calendars(fetch=fetch, hosts=hosts, limit=limit)}
        if pagerduty_key:
            kinds[PAGERDUTY] = PagerDutySchedules(fetch=fetch, key=pagerduty_key, url=pagerduty_url)
        if opsgenie_key:
            kinds[OPSGENIE] = OpsgenieSchedules(fetch=fetch, key=opsgenie_key, url=opsgenie_url)
        yield kinds
