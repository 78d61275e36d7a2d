"""How fast an app may post: about one message a second and channel, with a short burst, else HTTP 429."""

import math
from collections import deque
from collections.abc import Callable

from sandbox.slack.errors import RateLimited

#: chat.postMessage, docs.slack.dev/apis/web-api/rate-limits: "1 per second per channel, short bursts > 1
#: allowed".
POSTS_PER_SECOND = 1.0
#: The size of a "short burst" is not documented; this is the sandbox's guess on the strict side.
POST_BURST = 4


#: Tier 3: "50+ per minute", for each method and workspace.
UPDATES_SECONDS = 60.0


class Tier:
    """A strict gate for one method: no more than so many a minute. None never refuses."""

    def __init__(self, *, most: int | None, monotonic: Callable[[], float]) -> None:
        """`monotonic` in seconds."""
        self.most = most
        self._monotonic = monotonic
        self._at: deque[float] = deque()

    def admit(self) -> None:
        """Count one call. Raises RateLimited with the whole seconds until the next is welcome."""
        now = self._monotonic()
        while self._at and self._at[0] + UPDATES_SECONDS <= now:
            self._at.popleft()
        if self.most is not None and len(self._at) >= self.most:
            raise RateLimited(max(1, math.ceil(self._at[0] + UPDATES_SECONDS - now)))
        self._at.append(now)


class Pace:
    """A token bucket for each channel: `burst` at once, then one a second. `burst=None` never refuses."""

    def __init__(self, *, burst: int | None = POST_BURST, monotonic: Callable[[], float]) -> None:
        """`monotonic` in seconds."""
        self.burst = burst
        self._monotonic = monotonic
        self._buckets: dict[str, tuple[float, float]] = {}
        self.posted: dict[str, list[float]] = {}  #: when each accepted post came, by channel, in seconds

    def admit(self, channel: str) -> None:
        """Count one post. Raises RateLimited with the whole seconds until the next is welcome."""
        now = self._monotonic()
        if self.burst is not None:
            tokens, since = self._buckets.get(channel, (float(self.burst), now))
            tokens = min(float(self.burst), tokens + (now - since) * POSTS_PER_SECOND)
            if tokens < 1:
                self._buckets[channel] = (tokens, now)
                raise RateLimited(max(1, math.ceil((1 - tokens) / POSTS_PER_SECOND)))
            self._buckets[channel] = (tokens - 1, now)
        self.posted.setdefault(channel, []).append(now)
