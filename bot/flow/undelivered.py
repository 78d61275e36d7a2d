"""Alerts about decisions that are late, or came too late."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.alerts import ONLY, SEVERAL, UNDELIVERABLE, UNDELIVERED, Subject, alert_of, alert_text, over
from bot.approval import Approval, Stage
from bot.ports import Clock
from bot.records import Alert, Outlook
from bot.store import Store
from bot.wording import quoted_name, span

#: The count on the alert is updated this often at most.
RETOLD_EVERY = timedelta(seconds=10)


class Losses:
    """Shared by all steps that find a decision too late. Each request's card says so as well."""

    def __init__(self, *, store: Store, clock: Clock, about: Subject = ONLY) -> None:
        self._approvals, self._alerts, self._clock, self._about = store.approvals, store.alerts, clock, about
        self._open: bool | None = None  #: whether it is open; None: maybe raised by an earlier process
        self._last: tuple[Approval, str] | None = None  #: the last one that the count leaves out
        self._retold_at: datetime | None = None

    async def report(self, approval: Approval, why: str) -> None:
        """Alert that it is lost, which replaces the alert that it is late.

        Before the approval is settled: after a crash later, nothing would come back here.
        """
        self._open = True
        tool = quoted_name(approval.request.tool_name)
        facts = {**self._about.facts, "tool": tool, "why": why}
        await self._alerts.raise_(alert_of(UNDELIVERABLE, self._about.id, facts, at=self._clock()))
        too_late = f"the decision on {tool} was not delivered before its deadline"
        await self._alerts.resolve(approval.id, cause=UNDELIVERED, how=too_late)

    def settled(self, approval: Approval, why: str) -> None:
        """It is lost for good, and added to the count."""
        self._last = (approval, why)

    async def count(self) -> datetime | None:
        """Update the alert's count; returns when to look again."""
        if self._last is None:
            return None
        now = self._clock()
        if self._retold_at is not None and now < self._retold_at + RETOLD_EVERY:
            return self._retold_at + RETOLD_EVERY
        (approval, why), self._last = self._last, None
        if (number := await self._number()) > 1:
            self._retold_at = now
            tool, about = quoted_name(approval.request.tool_name), self._about
            facts = {**about.facts, "count": number, "tool": tool, "why": why}
            text = alert_text(UNDELIVERABLE, SEVERAL, **facts)
            await self._alerts.reword(about.id, cause=UNDELIVERABLE, text=text)
        return None

    async def over(self) -> None:
        """The platform accepted a decision: the losses before are one incident, which has ended."""
        if self._open is False:
            return
        number = await self._number()
        lost = f"; {number} decisions were lost" if number > 1 else ""
        how = f"{over(UNDELIVERABLE, **self._about.facts)}{lost}"
        await self._alerts.resolve(self._about.id, cause=UNDELIVERABLE, how=how)
        self._open, self._last = False, None

    async def _number(self) -> int:
        """How many were lost since the alert was raised; 0 without one."""
        open_ = await self._alerts.open_of(approval_id=self._about.id, cause=UNDELIVERABLE)
        return await self._approvals.lost_since(open_[0].raised_at) if open_ else 0


#: The reason if the platform's own audit calls it a timeout.
RAN_OUT = "the platform counted the request as timed out"
#: What the card says of an Approve for which the list could not be read.
UNREAD = "the request could not be read again to confirm it"
#: And of a request that is listed although decisions for it are answered with 404 or 409.
CONTRADICTED = "the platform answers that the request is resolved, but still lists it as pending"

#: Late decisions are reported together: from the first one on, an alert waits this long for others.
GATHERED = timedelta(seconds=1)


class Undelivered:
    """Alerts while decisions are late: about the one that is, or about the platform when there are several."""

    def __init__(self, *, store: Store, clock: Clock, about: Subject = ONLY) -> None:
        self._approvals, self._alerts, self._clock, self._about = store.approvals, store.alerts, clock, about
        self._since: datetime | None = None
        self._told: str | None = None  #: the one of which an operator was alerted
        self._together: bool | None = None  #: None: an earlier process may have reported several

    async def report(self, outlook: Outlook) -> datetime | None:
        """Raise or resolve; returns when to look again."""
        if not outlook.late:
            self._since = self._told = None
            if self._together is not False:
                await self._alerts.resolve(self._about.id, cause=UNDELIVERED, how=over(UNDELIVERED))
                self._together = False
            return None
        now = self._clock()
        self._since = self._since or now
        ripe = self._since + GATHERED
        if now < ripe and not outlook.contradicted:
            return ripe
        first = None if self._together else await self._approvals.first_late()
        if first is None:
            return None
        if outlook.late > 1:
            await self._alerts.raise_(self._alert_of_several(outlook.late, first, now))
            self._together = True
        elif first.id != self._told:
            await self._raise(first, now)
            self._told = first.id
        return None

    async def _raise(self, approval: Approval, now: datetime) -> None:
        """Unless it was settled meanwhile: the step that settles it resolves its alert before and after."""
        if await self._alerts.raise_(self._alert_of(approval, now)):
            found = await self._approvals.get(approval.id)
            if found is None or found.stage is not Stage.DECIDED:
                await self._alerts.resolve(approval.id, cause=UNDELIVERED, how=over(UNDELIVERED))

    def _alert_of(self, approval: Approval, now: datetime) -> Alert:
        tool, left = quoted_name(approval.request.tool_name), span(approval.deadline.at - now)
        facts = {**self._about.facts, "tool": tool, "why": _why(approval), "left": left}
        return alert_of(UNDELIVERED, approval.id, facts, at=now)

    def _alert_of_several(self, count: int, first: Approval, now: datetime) -> Alert:
        left = span(first.deadline.at - now)
        facts = {**self._about.facts, "count": count, "why": _why(first), "left": left}
        return alert_of(UNDELIVERED, self._about.id, facts, at=now, variant=SEVERAL)


def _why(approval: Approval) -> str:
    return approval.trouble or CONTRADICTED
