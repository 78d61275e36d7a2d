"""Whether anybody could see a request: asked when its time is over, so that an end in silence is told."""

from __future__ import annotations

from datetime import datetime

from bot.approval import Approval
from bot.records import Alert
from bot.store import Store
from bot.wording import name_of

UNSEEN = "expired-unseen"  #: the alert's cause


async def report_unseen(approval: Approval, *, store: Store, at: datetime) -> None:
    """Alert that its time ran out although no card of it was up anywhere; nothing if one was, or none was owed.

    Before the approval is settled: afterwards nothing would bring anybody back here after a crash.
    """
    if approval.rule is not None or await _was_up(approval, store):
        return
    text = f"{name_of(approval.request.tool_name)}: it expired, and no card of it was up anywhere."
    await store.alerts.raise_(Alert(approval_id=approval.id, cause=UNSEEN, text=text, raised_at=at))


async def _was_up(approval: Approval, store: Store) -> bool:
    standing = await store.placements.of(approval.id)
    if any(placement.ref for placement in standing):
        return True
    gathered = {placement.destination for placement in standing if placement.gathered}
    digests = await store.digests.standing(lines=1, quiet=True) if gathered else ()
    return any(digest.ref and digest.destination in gathered for digest in digests)
