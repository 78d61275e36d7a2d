"""The Web API as the rest of this package calls it: paced, with the errors of the core."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.errors import Throttled, translated
from adapters.slack.identity import Identity
from adapters.slack.pace import Cooling, Turns, Updates
from bot.errors import Forbidden

#: What an operator does about an app token that is refused.
SOCKET_MODE = (
    "Set it to an app-level token of this app (xapp-…) with connections:write, and turn Socket Mode on"
)

Answer = Mapping[str, Any]


class SlackApi:
    """One token's calls. Every method raises Unavailable (`Unanswered`), Gone or Forbidden."""

    def __init__(self, *, client: AsyncWebClient, turns: Turns, updates: Updates, cooling: Cooling) -> None:
        """The client must have no retry handlers of its own: what is owed is repeated from the store."""
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
        self._cooling.check("chat.postMessage", channel)
        if spare:
            self._turns.spare(channel)
        else:
            await self._turns.wait(channel, before=before)
        body = {"channel": channel, "unfurl_links": False, "unfurl_media": False, **args}
        return await self._call("chat.postMessage", channel, posts=True, json=body)

    async def update(self, channel: str, *, first: bool, **args: Any) -> Answer:
        """chat.update, within its limit; what does not go `first` leaves some of that for what does.

        Raises NotYet, too, with the seconds until there is room.
        """
        self._cooling.check("chat.update", channel)
        self._updates.count(first=first)
        return await self._call("chat.update", channel, json={"channel": channel, **args})

    async def _call(self, method: str, channel: str, *, posts: bool = False, **how: Any) -> Answer:
        self._cooling.check(method, channel)
        try:
            with translated(method, posts=posts):
                answer = (await self._client.api_call(method, **how)).data
                if not isinstance(answer, dict):
                    raise TypeError("an answer is a JSON object")
        except Throttled as busy:
            busy.retry_after = self._cooling.hold(method, channel, busy.asked)
            raise
        self._cooling.passed(method, channel)
        return answer


def _address(url: object) -> str | None:
    """The workspace's address with a slash at its end; None for what is no web address."""
    return url.rstrip("/") + "/" if isinstance(url, str) and url.startswith(("https://", "http://")) else None
