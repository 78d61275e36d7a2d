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
