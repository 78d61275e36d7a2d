"""A decision that a person made and the platform was never told: an operator hears of it, whoever found out."""

from __future__ import annotations

from datetime import datetime

from bot.approval import Approval
from bot.records import UNDELIVERABLE, UNDELIVERED, Alert
from bot.store import Alerts
from bot.wording import name_of

#: Why, when the platform's own audit calls it a timeout.
RAN_OUT = "the platform had let it run out of time"


async def report_undeliverable(approval: Approval, why: str, *, alerts: Alerts, at: datetime) -> None:
    """Alert that it is lost, in place of that it is late.

    Before the approval is settled: afterwards nothing would bring anybody back here after a crash.
    """
    tool = name_of(approval.request.tool_name)
    text = f"{tool}: the decision could not be delivered before the deadline ({why})."
    await alerts.raise_(Alert(approval_id=approval.id, cause=UNDELIVERABLE, text=text, raised_at=at))
    over = "it is over: the decision could not be delivered in time"
    await alerts.mend(approval.id, cause=UNDELIVERED, how=over)
