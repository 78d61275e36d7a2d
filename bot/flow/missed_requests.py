"""Checks each expired request: could anybody see it, and were people notified?

One alert for each way in which that fails, however many requests are affected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.alerts import (
    REQUESTS,
    SEVERAL,
    UNESCALATED,
    UNSEEN,
    UNTOLD,
    alert_of,
    alert_text,
    over,
)
from bot.approval import Approval, Outcome
from bot.flow import earliest
from bot.ports import Clock
from bot.store import Store
from bot.wording import quoted_name, span

#: A person with a claim until so shortly before the end held the steps back: they had no time to continue.
JUST_NOW = timedelta(seconds=2)
#: The count on an alert is updated this often at most.
RETOLD_EVERY = timedelta(seconds=10)
#: An alert resolves when no further request ended so for this long.
QUIET = timedelta(minutes=5)


@dataclass
class _Missed:
    """What an operator knows of one alert, and what to add."""

    last: datetime
    of_before: bool = False  #: an earlier process raised it, with an unknown count
    ids: set[str] = field(default_factory=set)
    tool: str = ""
    told: int = 1
    told_at: datetime | None = None

    @property
    def count(self) -> str:
        return f"more than {len(self.ids)}" if self.of_before else str(len(self.ids))


class MissedRequests:
    """Reports each request before it is settled: after a crash later, nothing would come back to it."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._known: dict[str, _Missed] | None = None

    async def silence(self, approval: Approval, *, at: datetime) -> None:
        """It expired although a step that was due before was not attempted, or it was `unseen`."""
        await self.unseen(approval, at=at)
        end, rung = min(at, approval.deadline.at), approval.ahead
        if rung is None or rung.at >= end or approval.claim_at(end - JUST_NOW):
            return
        due = f"{rung.at:%Y-%m-%d %H:%M:%S} UTC"
        await self._report(UNESCALATED, approval, at=at, action=str(rung.action), due=due)

    async def unseen(self, approval: Approval, *, at: datetime) -> None:
        """It expired although no card of it was up anywhere; no alert if one was up, or none was needed."""
        if approval.rule is None and not await _was_up(approval, self._store):
            await self._report(UNSEEN, approval, at=at)

    async def unsent(self, approval: Approval, *, tried: bool, at: datetime) -> None:
        """A message of its ladder was not sent before it expired.

        Leaves out messages that a claim held back untried, and requests without a card, which have their alert.
        Also reported before the message is dropped.
        """
        if approval.outcome is not Outcome.TIMEOUT_SKIP or not await _was_up(approval, self._store):
            return
        end = min(approval.settled_at or at, approval.deadline.at)
        if tried or not approval.claim_at(end - JUST_NOW):
            await self._report(UNTOLD, approval, at=at)

    async def count(self) -> datetime | None:
        """Update the counts, and resolve what has ended; returns when to look again."""
        now, due = self._clock(), None
        for cause, missed in tuple((await self._open()).items()):
            if now >= missed.last + QUIET:
                total = f"; {missed.count} in all" if len(missed.ids) > 1 or missed.of_before else ""
                how = f"{over(cause, quiet=span(QUIET))}{total}"
                await self._store.alerts.resolve(REQUESTS, cause=cause, how=how)
                del (await self._open())[cause]
                continue
            due = earliest(due, missed.last + QUIET)
            if len(missed.ids) > missed.told:
                retell = missed.told_at + RETOLD_EVERY if missed.told_at else now
                if now < retell:
                    due = earliest(due, retell)
                    continue
                missed.told, missed.told_at = len(missed.ids), now
                text = alert_text(cause, SEVERAL, count=missed.count, tool=missed.tool)
                await self._store.alerts.reword(REQUESTS, cause=cause, text=text)
        return due

    async def _report(self, cause: str, approval: Approval, *, at: datetime, **facts: object) -> None:
        known, tool = await self._open(), quoted_name(approval.request.tool_name)
        await self._store.alerts.raise_(alert_of(cause, REQUESTS, {"tool": tool, **facts}, at=at))
        missed = known.setdefault(cause, _Missed(last=at, told_at=at))
        missed.last, missed.tool = at, tool
        missed.ids.add(approval.id)

    async def _open(self) -> dict[str, _Missed]:
        """The open alerts; those of an earlier process end as if their last request were now."""
        if self._known is None:
            found = await self._store.alerts.open_of(approval_id=REQUESTS)
            self._known = {alert.cause: _Missed(last=self._clock(), of_before=True, told=0) for alert in found}
        return self._known


async def _was_up(approval: Approval, store: Store) -> bool:
    standing = [placement for placement in await store.placements.of(approval.id) if not placement.superseded]
    if any(placement.ref for placement in standing):
        return True
    since = {p.destination: p.gathered_at for p in standing if p.gathered and p.gathered_at}
    digests = await store.queue_messages.standing(lines=1, quiet=True) if since else ()
    # A message from before the request was batched, whose update failed, shows others.
    return any(
        digest.ref and digest.shown and digest.shown_at and since[digest.destination] <= digest.shown_at
        for digest in digests
        if digest.destination in since
    )
