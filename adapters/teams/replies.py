"""Answer first, change after: the card of an answer stands in the message's place for one person until the
message changes for everybody (msteams-docs, work-with-universal-actions).

An answer that arrived after the change would stay there, and say less than the message does by then.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Seconds by which an answer is ahead of the change: both go through Microsoft's service, by different ways.
HEAD_START = 0.25
#: Seconds after which a change waits no longer, whatever is being answered; the other chat follows in two.
PATIENCE = 1.0
#: Seconds between two looks.
STEP = 0.02

Key = tuple[str, str]


class Replies:
    """Which messages somebody's press is being answered on, or was a moment ago."""

    def __init__(self, *, seconds: Callable[[], float]) -> None:
        """`seconds` is a monotonic clock."""
        self._seconds = seconds
        self._under_way: Counter[Key] = Counter()
        self._until: dict[Key, float] = {}

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
