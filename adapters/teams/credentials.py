"""The bot's own token: one, kept, renewed ahead of its end, bought without blocking anything.

Client credentials at Entra (learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow). The
SDK asks for a new one on every turn and blocks the event loop meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlencode

import httpx
import structlog

from adapters.chat.errors import AppRefused
from adapters.clouds import Cloud
from adapters.graph import refusal_of
from adapters.http import exchange
from bot.errors import NodError, Unavailable

#: Seconds before its end at which a token is renewed in the background, and at which it is not used any more.
AHEAD, TOO_LATE = 600.0, 60.0
#: Seconds that a token lives whose answer names no usable time (Entra's own are an hour).
USUAL_LIFE = 600.0

log = structlog.get_logger(__name__)


class BotToken:
    """One app's token for the Connector."""

    def __init__(
        self,
        *,
        client: httpx.AsyncClient,
        cloud: Cloud,
        tenant: str | None,
        app_id: str,
        password: str,
        seconds: Callable[[], float],
    ) -> None:
        """`tenant`: the app's own; None for a multi-tenant one, at home in the cloud's. No app id, no token."""
        self._client, self._scope, self._seconds = client, cloud.scope, seconds
        self._url = cloud.token_url.replace("{tenant}", tenant or cloud.bots_tenant)
        self._app_id, self._password = app_id, password
        self._token: tuple[str, float] | None = None
        self._buying: asyncio.Task[str] | None = None

    async def bearer(self) -> str | None:
        """The token to send now; None for an app without an id.

        Raises Unavailable when Entra cannot be asked, AppRefused when it refuses the app.
        """
        if not self._app_id:
            return None
        if self._token is not None:
            left = self._token[1] - self._seconds()
            if left < AHEAD:
                self._begin()
            if left > TOO_LATE:
                return self._token[0]
        # Shielded: one caller can be cancelled while others still wait for the token.
        return await asyncio.shield(self._begin())

    def refused(self, token: str | None) -> None:
        """The Connector did not take this token: the next call buys another one."""
        if self._token is not None and self._token[0] == token:
            self._token = None

    async def close(self) -> None:
        """Stop what is under way."""
        if self._buying is not None:
            self._buying.cancel()
            with suppress(asyncio.CancelledError, NodError):
                await self._buying

    def _begin(self) -> asyncio.Task[str]:
        if self._buying is None or self._buying.done():
            self._buying = asyncio.create_task(self._buy(), name="teams_token")
            self._buying.add_done_callback(_heard)
        return self._buying

    async def _buy(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._app_id,
            "client_secret": self._password,
            "scope": self._scope,
        }
        try:
            answer = await exchange(
                self._client,
                "POST",
                self._url,
                headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
                content=urlencode(form).encode(),
            )
        except Unavailable as error:
            # Asking for a token twice does no harm, so even an answer that got lost is only Unavailable.
            raise Unavailable(f"Entra's token endpoint: {error}") from error
        said = answer.json()
        if answer.status >= 500 or answer.status in (408, 429):
            raise Unavailable(f"Entra's token endpoint failed (HTTP {answer.status})")
        token = said.get("access_token") if isinstance(said, dict) else None
        if answer.status != 200:
            raise AppRefused(refusal_of(answer.status, said))
        if not isinstance(token, str) or not token:
            raise Unavailable("Entra's answer has no token")
        life = said.get("expires_in")
        usable = isinstance(life, int | float) and not isinstance(life, bool) and 0 < life < 10**6
        self._token = (token, self._seconds() + (float(life) if usable else USUAL_LIFE))
        log.info("teams_token_bought")
        return token


def _heard(buying: asyncio.Task[str]) -> None:
    """A renewal ahead of time that failed is told in the log; nobody waits for it."""
    if not buying.cancelled() and isinstance(error := buying.exception(), NodError):
        log.warning("teams_token_not_bought", reason=str(error))
