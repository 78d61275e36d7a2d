"""slack-bolt's app, with the two listeners that it gets and the network call that it does not get to make."""

from __future__ import annotations

import logging
import re

from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.clicks import Clicks
from adapters.slack.identity import Identity

_ANY = re.compile("")


def build_app(
    *, clicks: Clicks, client: AsyncWebClient, identity: Identity, signing_secret: str, logger: logging.Logger
) -> AsyncApp:
    """The bolt app with its two listeners. `logger` at INFO or above: bolt's DEBUG lines carry bodies."""

    async def authorize() -> AuthorizeResult:
        # Known since the start, so that no click waits for an auth.test.
        return AuthorizeResult(
            enterprise_id=identity.enterprise_id,
            team_id=identity.team_id,
            bot_user_id=identity.bot_user_id,
            bot_id=identity.bot_id,
            bot_token=client.token,
        )

    nameless = AsyncWebClient(
        base_url=client.base_url, session=client.session, retry_handlers=[], logger=logger
    )
    # Bolt finds SLACK_BOT_TOKEN in the environment by itself and would warn that it does not use it.
    level = logger.level
    logger.setLevel(logging.ERROR)
    app = AsyncApp(
        name="nod",
        logger=logger,
        client=nameless,
        authorize=authorize,
        signing_secret=signing_secret,
    )
    logger.setLevel(level)
    app.action(_ANY)(clicks.pressed)
    app.view(_ANY)(clicks.submitted)
    return app
