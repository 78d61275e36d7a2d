"""What the steps that reach a chat share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.errors import Unanswered
from bot.flow import WorkerPool
from bot.policy import Policy
from bot.ports import Chat, Clock, Metrics
from bot.store import Store
from bot.surface import Surface


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDeps:
    """What a step with visible results needs."""

    store: Store
    chats: Mapping[Surface, Chat]  #: the chats that are set up
    policy: Callable[[], Policy]
    clock: Clock
    metrics: Metrics
    pool: WorkerPool


class ChatStep:
    """A step with visible results."""

    def __init__(self, deps: StepDeps) -> None:
        self._store, self._chats, self._policy = deps.store, deps.chats, deps.policy
        self._clock, self._metrics, self._pool = deps.clock, deps.metrics, deps.pool


def not_delivered(error: Exception, *, before: datetime | None) -> bool:
    """Whether certainly nothing was posted: it was the first try (`before` is None) and failed outright."""
    return before is None and not isinstance(error, Unanswered)


async def card_link(approval_id: str, chats: Mapping[Surface, Chat], store: Store) -> str | None:
    """A link to its card in one of these chats, or to the queue message that lists it; some have no address."""
    standing = [p for p in await store.placements.of(approval_id) if not p.superseded]
    for placement in standing:
        where = placement.destination
        if where.surface in chats and placement.ref:
            link = chats[where.surface].link(where.channel, placement.ref)
            if link is not None:
                return link
    gathered = {p.destination for p in standing if p.gathered and p.destination.surface in chats}
    for digest in await store.queue_messages.standing(lines=1) if gathered else ():
        if digest.ref and digest.destination in gathered:
            return chats[digest.destination.surface].link(digest.destination.channel, digest.ref)
    return None
