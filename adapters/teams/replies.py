"""One reply for each press in Teams, and no card update that overtakes it.

Teams repeats an invoke that got no reply in time. A repeat is no second vote, since the desk takes one vote for
each person; `Answered` makes it get the first reply again.

A reply's card replaces the message for the one person who pressed, until the message changes for everyone
(msteams-docs, work-with-universal-actions). A reply that arrives after that change would stay, with older
content. So `Replies` holds back the change until the reply is on its way.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from adapters.chat.background import LAST_CALL
from adapters.chat.click_errors import ClickErrors
from adapters.teams.payloads import Arrived
from bot.ports import Metrics

#: Replies that are kept for repeats; a client repeats within seconds.
MOST = 500
#: Seconds between a reply and the change: both go through Microsoft's service, by different ways.
HEAD_START = 0.25
#: Seconds after which the change waits no longer for a reply; the other chat's card changes within two.
PATIENCE = 1.0
#: Seconds between two checks while a change waits.
STEP = 0.02

#: Conversation, id of the activity, hash of person and content.
_Press = tuple[str, str, str]
#: Conversation and id of the message.
_Message = tuple[str, str]


class Answered:
    """The reply to each press, also while it is being made."""

    def __init__(self, *, metrics: Metrics, most: int = MOST) -> None:
        """`count` gets the event of each reply that failed after everyone had stopped waiting for it."""
        self._most, self._errors = most, ClickErrors(metrics=metrics)
        self._waiting: Counter[_Press] = Counter()
        self._answers: OrderedDict[_Press, asyncio.Task[Any]] = OrderedDict()

    async def once(self, arrived: Arrived, answer: Callable[[], Awaitable[Any]]) -> Any:
        """The reply to this press: the earlier one, the one being made, or else what `answer` makes.

        If the caller is cancelled the reply is made all the same, for the repeat.
        """
        key = _key(arrived)
        task = self._answers.get(key)
        if task is None:
            task = asyncio.ensure_future(_awaited(answer))
            self._answers[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
            self._trim()
        self._waiting[key] += 1
        try:
            return await asyncio.shield(task)
        finally:
            self._waiting[key] -= 1
            self._waiting += Counter()  # drops zeros

    async def close(self) -> None:
        """Wait at most LAST_CALL seconds for replies being made: one can be a vote.

        It comes after the waits of the server and the flow, within the time that a stop has in all.
        """
        if under_way := [task for task in self._answers.values() if not task.done()]:
            await asyncio.wait(under_way, timeout=LAST_CALL)

    def _finished(self, key: _Press, task: asyncio.Task[Any]) -> None:
        """A failure is not kept, so the next press is a new try. Without a caller, it is counted here."""
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self._answers.pop(key, None)
        if error is not None and not self._waiting[key]:
            self._errors.note(error, late=True)

    def _trim(self) -> None:
        """Keep the newest `most` finished replies; those being made are always kept."""
        for key in [key for key, task in self._answers.items() if task.done()][: -self._most or None]:
            del self._answers[key]


async def _awaited(answer: Callable[[], Awaitable[Any]]) -> Any:
    """A coroutine, so that an `answer` that raises at once fails in its task too."""
    return await answer()


def _key(arrived: Arrived) -> _Press:
    """A repeat has the same conversation, id, person and content; a client can use an id twice."""
    if not arrived.id:  # cannot be recognised, so it is never a repeat
        return arrived.conversation, "", secrets.token_hex(16)
    content = json.dumps(arrived.value, sort_keys=True).encode()
    return arrived.conversation, arrived.id, hashlib.sha256(arrived.user.encode() + b"\0" + content).hexdigest()


class Replies:
    """The messages on which a press is being answered, or was a moment ago."""

    def __init__(self, *, seconds: Callable[[], float]) -> None:
        """`seconds` is a monotonic clock."""
        self._seconds = seconds
        self._under_way: Counter[_Message] = Counter()
        self._until: dict[_Message, float] = {}

    @contextmanager
    def answering(self, conversation: str, ref: str) -> Iterator[None]:
        """A block in which a press on this message gets its answer."""
        key = (conversation, ref)
        self._under_way[key] += 1
        try:
            yield
        finally:
            self._under_way[key] -= 1
            self._under_way += Counter()  # drops zeros
            now = self._seconds()
            self._until = {each: until for each, until in self._until.items() if until > now}
            self._until[key] = now + HEAD_START

    async def ahead(self, conversation: str, ref: str) -> None:
        """Wait until no reply on this message can be overtaken, at most PATIENCE seconds."""
        key, end = (conversation, ref), self._seconds() + PATIENCE
        while (now := self._seconds()) < end:
            if not self._under_way[key] and self._until.get(key, 0.0) <= now:
                return
            await asyncio.sleep(STEP)
