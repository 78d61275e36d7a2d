"""The Web API as the rest of this package calls it: paced, with the errors of the core.

docs.slack.dev/apis/web-api/rate-limits: about one chat.postMessage a second and channel; a 429 names, in
Retry-After, the seconds to wait for that method.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.pacing import Cooldown, RateLimiter
from adapters.slack.errors import translated
from adapters.slack.identity import Identity
from bot.errors import Forbidden, NotYet

#: What an operator does about an app token that is refused.
SOCKET_MODE = (
    "Set it to an app-level token of this app (xapp-…) with connections:write, and turn on Socket Mode"
)

INTERVAL = 1.0  #: seconds between two posts in one channel
#: After so many others went first, a message is next: outcomes can go on for minutes, and a card waits.
MOST_PASSED = 3
#: Changes of messages in so many seconds: 50 a minute, and a second for what comes closer together on its way.
UPDATES, UPDATES_WITHIN = 50, 61.0
#: How much of that decisions may take, what else a card shows, and old pings.
SHARE_FIRST, SHARE, SHARE_LAST = 1.0, 0.8, 0.4
#: What Slack counts for each channel; all else it counts for the workspace (docs: rate-limits, Web API tiers).
BY_CHANNEL = frozenset({"chat.postMessage"})

Answer = Mapping[str, Any]


def posts_of(monotonic: Callable[[], float], *, interval: float = INTERVAL) -> RateLimiter:
    """One post a second and channel."""
    return RateLimiter(monotonic=monotonic, windows=((1, interval),), most_passed=MOST_PASSED)


class Updates:
    """chat.update within its tier, which is for the whole workspace: 50 a minute are promised (Tier 3)."""

    def __init__(
        self, *, monotonic: Callable[[], float], most: int = UPDATES, seconds: float = UPDATES_WITHIN
    ) -> None:
        """So many in so many seconds; `monotonic` in seconds."""
        self._monotonic, self._most, self._seconds = monotonic, most, seconds
        self._at: deque[float] = deque()

    def count(self, *, share: float) -> None:
        """One is about to be sent; it leaves all but its share of the limit to what is more urgent.

        Raises NotYet with the seconds until there is room for it; then it is not counted.
        """
        now = self._monotonic()
        while self._at and self._at[0] + self._seconds <= now:
            self._at.popleft()
        most = int(self._most * share)
        if len(self._at) >= most:
            left = self._at[len(self._at) - most] + self._seconds - now
            raise NotYet("Slack's rate limit for message updates is used up for now", retry_after=left)
        self._at.append(now)


class SlackApi:
    """One token's calls. Every method raises Unavailable (`Unanswered`), Gone or Forbidden."""

    def __init__(
        self, *, client: AsyncWebClient, turns: RateLimiter, updates: Updates, cooling: Cooldown
    ) -> None:
        """The client must have no retry handlers: the store knows what is still to send, and repeats it."""
        self._client = client
        self._turns, self._updates = turns, updates
        self._cooling = cooling

    async def identity(self) -> Identity:
        """auth.test, with the scopes from its header."""
        with translated("auth.test"):
            answer = await self._client.api_call("auth.test")
            scopes = str(answer.headers.get("x-oauth-scopes", ""))
            return Identity(
                team_id=str(answer["team_id"]),
                bot_user_id=str(answer["user_id"]),
                bot_id=answer.get("bot_id"),
                app_id=answer.get("app_id"),
                scopes=frozenset(scope.strip() for scope in scopes.split(",") if scope.strip()),
                enterprise_id=answer.get("enterprise_id"),
                url=_address(answer.get("url")),
                team=str(answer.get("team") or ""),
                name=str(answer.get("user") or ""),
                org_wide=answer.get("is_enterprise_install") is True,
            )

    async def can_open_socket(self, app_token: str) -> str:
        """Where Slack would open a socket for this token; none is opened, so no click comes this way.

        Raises Unavailable, or Forbidden naming SLACK_APP_TOKEN.
        """
        try:
            with translated("apps.connections.open"):
                return str((await self._client.apps_connections_open(app_token=app_token))["url"])
        except Forbidden as error:
            said = error.__cause__.response if isinstance(error.__cause__, SlackApiError) else {}
            code = said.get("error") if said else None
            raise Forbidden(f"Slack refuses SLACK_APP_TOKEN: {code or 'no reason'}. {SOCKET_MODE}") from error

    async def read(self, method: str, *, channel: str = "", **args: Any) -> Answer:
        """Ask; nothing changes over there."""
        params = {"channel": channel, **args} if channel else args
        return await self._call(method, channel, http_verb="GET", params=params)

    async def write(self, method: str, *, channel: str = "", **args: Any) -> Answer:
        """Do something that may be repeated without harm."""
        body = {"channel": channel, **args} if channel else args
        return await self._call(method, channel, json=body)

    async def post(self, channel: str, *, before: datetime | None, spare: bool = False, **args: Any) -> Answer:
        """chat.postMessage, in turn, or in a turn that is `spare`; Unanswered when it may be up."""
        self._cooling.check(counted("chat.postMessage", channel))
        body = {"channel": channel, "unfurl_links": False, "unfurl_media": False, **args}
        if spare:
            self._turns.spare(channel)
            return await self._call("chat.postMessage", channel, posts=True, json=body)
        async with self._turns.turn(channel, before=before):
            return await self._call("chat.postMessage", channel, posts=True, json=body)

    async def update(self, channel: str, *, share: float, **args: Any) -> Answer:
        """chat.update, within this share of its limit: what is more urgent has the rest.

        Raises NotYet, too, with the seconds until there is room.
        """
        self._cooling.check(counted("chat.update", channel))
        self._updates.count(share=share)
        return await self._call("chat.update", channel, json={"channel": channel, **args})

    async def _call(self, method: str, channel: str, *, posts: bool = False, **how: Any) -> Answer:
        with self._cooling.around(counted(method, channel)), translated(method, posts=posts):
            answer = (await self._client.api_call(method, **how)).data
            if not isinstance(answer, dict):
                raise TypeError("an answer is a JSON object")
        return answer


def counted(method: str, channel: str) -> str:
    """What Slack counts a call of this method under."""
    return f"{method} in {channel}" if method in BY_CHANNEL else method


def _address(url: object) -> str | None:
    """The workspace's address with a slash at its end; None for what is no web address."""
    return url.rstrip("/") + "/" if isinstance(url, str) and url.startswith(("https://", "http://")) else None
