"""The answer to a press, given once; and the card that follows it, for everybody.

Teams repeats an invoke that it thinks unanswered. Two presses never become two votes, since the desk takes one
vote of a person; the second answer says here what the first one did.

The card of an answer replaces the message for one person until the message changes for everybody (msteams-docs,
work-with-universal-actions). An answer that arrived after the change would stay there, and say less than the
message does by then.
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

#: Answers that are kept, each with its time; a client repeats within seconds.
MOST = 500

Key = tuple[str, str, str]


class Answered:
    """Answers by press, those under way too."""

    def __init__(self, *, count: Callable[[str], None], most: int = MOST) -> None:
        """`count` is told of each answer that broke when nobody waited for it any more."""
        self._most, self._broken = most, ClickErrors(count=count)
        self._waiting: Counter[Key] = Counter()
        self._answers: OrderedDict[Key, asyncio.Task[Any]] = OrderedDict()

    async def once(self, arrived: Arrived, answer: Callable[[], Awaitable[Any]]) -> Any:
        """What was answered to this very press before, or is being answered; else the answer now.

        Whoever waits may be cancelled or give up; the answer goes on, and is there for the next who asks.
        """
        key = _key(arrived)
        task = self._answers.get(key)
        if task is None:
            task = asyncio.ensure_future(_made(answer))
            self._answers[key] = task
            task.add_done_callback(lambda over: self._over(key, over))
            self._trim()
        self._waiting[key] += 1
        try:
            return await asyncio.shield(task)
        finally:
            self._waiting[key] -= 1
            self._waiting += Counter()  # drops what is nought

    async def close(self) -> None:
        """Let what is under way end, for at most LAST_CALL seconds: it may be a vote.

        The front and the flow have waited before; this is within what a stop may take in all.
        """
        if under_way := [task for task in self._answers.values() if not task.done()]:
            await asyncio.wait(under_way, timeout=LAST_CALL)

    def _over(self, key: Key, task: asyncio.Task[Any]) -> None:
        """What broke is not kept: the next press is a new try. Where nobody waits any more, it is told here."""
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self._answers.pop(key, None)
        if error is not None and not self._waiting[key]:
            self._broken.note(error, late=True)

    def _trim(self) -> None:
        for key in [key for key, task in self._answers.items() if task.done()][: -self._most or None]:
            del self._answers[key]


async def _made(answer: Callable[[], Awaitable[Any]]) -> Any:
    return await answer()


def _key(arrived: Arrived) -> Key:
    """A press is the same when id, person, place and content are: an id alone can be given twice."""
    if not arrived.id:
        return arrived.conversation, "", secrets.token_hex(16)
    content = json.dumps(arrived.value, sort_keys=True).encode()
    return arrived.conversation, arrived.id, hashlib.sha256(arrived.user.encode() + b"\0" + content).hexdigest()


#: Seconds by which an answer is ahead of the change: both go through Microsoft's service, by different ways.
HEAD_START = 0.25
#: Seconds after which a change waits no longer, whatever is being answered; the other chat follows in two.
PATIENCE = 1.0
#: Seconds between two looks.
STEP = 0.02

Message = tuple[str, str]


class Replies:
    """Which messages somebody's press is being answered on, or was a moment ago."""

    def __init__(self, *, seconds: Callable[[], float]) -> None:
        """`seconds` is a monotonic clock."""
        self._seconds = seconds
        self._under_way: Counter[Message] = Counter()
        self._until: dict[Message, float] = {}

    @contextmanager
    def answering(self, conversation: str, ref: str) -> Iterator[None]:
        """A block in which a press on this message gets its answer."""
        key = (conversation, ref)
        self._under_way[key] += 1
        try:
            yield
        finally:
            self._under_way[key] -= 1
            self._under_way += Counter()  # drops what is nought
            now = self._seconds()
            self._until = {each: until for each, until in self._until.items() if until > now}
            self._until[key] = now + HEAD_START

    async def ahead(self, conversation: str, ref: str) -> None:
        """Returns once the answers on this message are on their way, after PATIENCE at the latest."""
        key, end = (conversation, ref), self._seconds() + PATIENCE
        while (now := self._seconds()) < end:
            if not self._under_way[key] and self._until.get(key, 0.0) <= now:
                return
            await asyncio.sleep(STEP)
