"""What steps that people see have in common: whom they reach, and how long they wait after a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.errors import Forbidden, Unanswered, Unavailable
from bot.flow import Count, WorkerPool, doubled
from bot.policy import Policy
from bot.ports import Chat, Clock
from bot.store import Store
from bot.surface import Surface

#: The first wait after a failed try, doubled each time up to the last, in seconds.
FIRST_WAIT, LAST_WAIT = 1.0, 30.0
#: A surface that refuses is asked again after this long, in seconds: somebody may invite the bot back.
REFUSED_WAIT = 15.0
#: An unanswered post is looked for after this long, in seconds, when a chat's history has caught up.
LOOK_AFTER = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDeps:
    """What such a step needs."""

    store: Store
    chats: Mapping[Surface, Chat]  #: the surfaces that are set up
    policy: Callable[[], Policy]
    clock: Clock
    count: Count
    pool: WorkerPool


class ChatStep:
    """A step that reaches people."""

    def __init__(self, deps: StepDeps) -> None:
        self._store, self._chats, self._policy = deps.store, deps.chats, deps.policy
        self._clock, self._count, self._pool = deps.clock, deps.count, deps.pool


def not_delivered(error: Exception, *, before: datetime | None) -> bool:
    """Whether nothing of it can be up: it was the first try (none `before`), and nobody can have taken it."""
    return before is None and not isinstance(error, Unanswered)


def wait_after(error: Exception, *, tries: int, refused_most: float = REFUSED_WAIT) -> timedelta:
    """How long to wait after so many failed tries before this one.

    What was asked for counts before our own doubling; a refusal is doubled up to `refused_most`, in seconds.
    """
    if isinstance(error, Forbidden):
        return timedelta(seconds=doubled(REFUSED_WAIT, tries=tries, last=refused_most))
    if isinstance(error, Unavailable) and error.retry_after is not None:
        return timedelta(seconds=error.retry_after)
    wait = doubled(FIRST_WAIT, tries=tries, last=LAST_WAIT)
    return timedelta(seconds=max(wait, LOOK_AFTER) if isinstance(error, Unanswered) else wait)
