"""An end in silence: asked when its time is over, whether anybody could see a request, and was sent for."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.approval import Approval, Outcome
from bot.records import Alert
from bot.store import Store
from bot.wording import name_of

UNSEEN, UNESCALATED, UNTOLD = "expired-unseen", "expired-unescalated", "untold"  #: the alerts' causes
#: Whoever was on it until so shortly before the end kept the rungs back: they had no time to go on.
JUST_NOW = timedelta(seconds=2)


async def report_silence(approval: Approval, *, store: Store, at: datetime) -> None:
    """Alert that its time ran out although a rung that was due before was not attempted; and `report_unseen`.

    Before the approval is settled: afterwards nothing would bring anybody back here after a crash.
    """
    await report_unseen(approval, store=store, at=at)
    over, rung = min(at, approval.deadline.at), approval.ahead
    if rung is None or rung.at >= over or approval.claim_at(over - JUST_NOW):
        return
    due = f"{rung.at:%Y-%m-%d %H:%M:%S} UTC"
    text = (
        f"{name_of(approval.request.tool_name)}: it expired, and its {rung.action} of {due} was not attempted."
    )
    await store.alerts.raise_(Alert(approval_id=approval.id, cause=UNESCALATED, text=text, raised_at=at))


async def report_unseen(approval: Approval, *, store: Store, at: datetime) -> None:
    """Alert that its time ran out although no card of it was up anywhere; nothing if one was, or none was owed.

    Before the approval is settled, likewise.
    """
    if approval.rule is not None or await _was_up(approval, store):
        return
    text = f"{name_of(approval.request.tool_name)}: it expired, and no card of it was up anywhere."
    await store.alerts.raise_(Alert(approval_id=approval.id, cause=UNSEEN, text=text, raised_at=at))


async def report_unsent(approval: Approval, *, tried: bool, store: Store, at: datetime) -> None:
    """Alert that a message of its ladder was not sent until nobody had answered in time.

    Not what somebody who was on it held back untried, nor where no card was up: that is told already. Before
    the message is dropped, likewise.
    """
    if approval.outcome is not Outcome.TIMEOUT_SKIP or not await _was_up(approval, store):
        return
    over = min(approval.settled_at or at, approval.deadline.at)
    if not tried and approval.claim_at(over - JUST_NOW):
        return
    tool = name_of(approval.request.tool_name)
    text = f"{tool}: it expired, and a message of its ladder could not be sent until then."
    await store.alerts.raise_(Alert(approval_id=approval.id, cause=UNTOLD, text=text, raised_at=at))


async def _was_up(approval: Approval, store: Store) -> bool:
    standing = [placement for placement in await store.placements.of(approval.id) if not placement.superseded]
    if any(placement.ref for placement in standing):
        return True
    since = {p.destination: p.gathered_at for p in standing if p.gathered and p.gathered_at}
    digests = await store.queue_messages.standing(lines=1, quiet=True) if since else ()
    # A message from before it was gathered, whose update failed, tells of others.
    return any(
        digest.ref and digest.shown and digest.shown_at and since[digest.destination] <= digest.shown_at
        for digest in digests
        if digest.destination in since
    )
