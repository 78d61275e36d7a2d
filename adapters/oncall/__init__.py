"""Who is on call according to an external schedule: a calendar, PagerDuty or Opsgenie."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from bot.rotation import ScheduleRef

ICAL, PAGERDUTY, OPSGENIE = "ical", "pagerduty", "opsgenie"  #: kinds of `bot.rotation.ScheduleRef`


class Schedules(Protocol):
    """Knows the schedules of one kind."""

    async def on_call(self, ref: ScheduleRef, at: datetime) -> tuple[str, ...]:
        """Everybody who is on call at a moment, as the source names them: by e-mail address, or by a name.

        Raises Unavailable, Gone (no such schedule) or Forbidden. No message holds an address, a key or what
        the other side said: a calendar's address often is its key.
        """
        ...

    def skipped(self, ref: ScheduleRef) -> tuple[str, ...]:
        """What the last answer held that could not be read, a line each; empty when all of it was."""
        ...
