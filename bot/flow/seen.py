"""An end in silence: asked when its time is over, whether anybody could see a request, and was sent for."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.approval import Approval
from bot.records import Alert
from bot.store import Store
from bot.wording import name_of

UNSEEN, UNESCALATED = "expired-unseen", "expired-unescalated"  #: the alerts' causes
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


async def _was_up(approval: Approval, store: Store) -> bool:
    standing = [placement for placement in await store.placements.of(approval.id) if not placement.superseded]
    if any(placement.ref for placement in standing):
        return True
    since = {p.destination: p.gathered_at for p in standing if p.gathered and p.gathered_at}
    digests = await store.digests.standing(lines=1, quiet=True) if since else ()
    # A message from before it was gathered, whose update failed, tells of others.
    return any(
        digest.ref and digest.shown and digest.shown_at and since[digest.destination] <= digest.shown_at
        for digest in digests
        if digest.destination in since
    )
