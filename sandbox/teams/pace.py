"""How fast a bot may talk to one conversation: the documented windows, else HTTP 429 with Retry-After.

Source of the numbers: msteams-docs, bots/how-to/rate-limit, "Per bot per thread limit"; the rate of 30 a
second for each app and tenant is in its note.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Literal

from sandbox.teams.errors import ConnectorError

Kind = Literal["send", "create", "members"]

#: Seconds of a window, and how many operations it takes.
WINDOWS: Mapping[Kind, tuple[tuple[float, int], ...]] = {
    "send": ((1, 7), (2, 8), (30, 60), (3600, 1800)),
    "create": ((1, 7), (2, 8), (30, 60), (3600, 1800)),
    "members": ((1, 14), (2, 16), (30, 120), (3600, 3600)),
}
WHOLE_APP = ((1.0, 30),)


class Pace:
    """Counts what was let through; a refused operation does not count."""

    def __init__(self, *, monotonic: Callable[[], float], limited: bool = True) -> None:
        """`monotonic` in seconds; `limited=False` never refuses."""
        self.limited = limited
        self._monotonic = monotonic
        self._when: dict[tuple[str, str], list[float]] = defaultdict(list)

    def admit(self, kind: Kind, conversation: str) -> None:
        """Count one operation on a conversation. Raises ConnectorError 429 with the seconds to wait."""
        now = self._monotonic()
        counted = (((kind, conversation), WINDOWS[kind]), (("app", ""), WHOLE_APP))
        if self.limited:
            wait = max(self._wait(key, windows, now) for key, windows in counted)
            if wait > 0:
                raise ConnectorError(429, retry_after=max(1, math.ceil(wait)))
        for key, windows in counted:
            longest = windows[-1][0]
            self._when[key] = [at for at in self._when[key] if now - at < longest] + [now]

    def sent(self, conversation: str) -> list[float]:
        """When each operation that writes was let through, in seconds of the monotonic clock."""
        return list(self._when[("send", conversation)])

    def _wait(self, key: tuple[str, str], windows: tuple[tuple[float, int], ...], now: float) -> float:
        """Seconds until every window has room, 0 when all have."""
        longest = 0.0
        for seconds, most in windows:
            inside = [at for at in self._when[key] if now - at < seconds]
            if len(inside) >= most:
                longest = max(longest, seconds - (now - inside[-most]))
        return longest
