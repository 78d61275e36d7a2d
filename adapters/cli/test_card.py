"""`nod test-card`: a card that goes the whole way except to the platform, and who pressed what on it.

It asks the running bot. If none runs, it starts one for the test, with a separate database in a temporary
folder and without a platform: the chat and the people in it are real.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from adapters.app import Rehearsal, open_nod
from adapters.chat.text import seen
from adapters.cli.running import stop_signal
from adapters.control import ask_bot, control_path, database_file
from adapters.plugins import read_chats
from adapters.settings import Environment, read_policy_file
from adapters.slack_plugin import signed_in
from adapters.store.open import open_store
from adapters.teams_plugin import known_conversations
from bot.errors import ConfigError, InUse

#: Seconds for a bot that has the database to open its socket, and between two attempts.
STARTS_WITHIN, LOOKS_EVERY = 5.0, 0.25
ELSEWHERE = "Run nod test-card on the bot's machine as the bot's user, or stop the bot."


async def put_up(
    environment: Environment, *, channel: str | None, within: timedelta, starts_within: float = STARTS_WITHIN
) -> int:
    """0 when someone decided, 1 when nobody did in time. Raises ConfigError, Unavailable or Forbidden.

    A bot that has the database gets `starts_within` seconds to answer.
    """
    stop = stop_signal()
    question = {"ask": "test_card", "channel": channel, "seconds": within.total_seconds()}
    until = time.monotonic() + starts_within
    while True:
        code = await ask_bot(control_path(environment.database_url), question, tell=_said, stop=stop)
        if code is not None:
            return code
        try:
            await _check_alone(environment)
            break
        except InUse:  # it can have just started
            if time.monotonic() > until:
                raise
            await asyncio.sleep(LOOKS_EVERY)
    _said("No bot is running here, so Nod starts one for this test.")
    met = await known_conversations(environment.database_url)
    with tempfile.TemporaryDirectory(prefix="nod-test-bot-") as folder:
        alone = _apart(environment, Path(folder))
        async with open_nod(alone, rehearsal=Rehearsal(met=met)):
            code = await ask_bot(control_path(alone.database_url), question, tell=_said, stop=stop)
    return 1 if code is None else code


def _apart(environment: Environment, folder: Path) -> Environment:
    """The same settings with every file in this folder and no heartbeat."""
    nothing = ("audit_key", "audit_checkpoints", "audit_webhook", "heartbeat_url", "alert_spool", "relay_token")
    files = {"database_url": f"sqlite:///{folder / 'nod.db'}"}
    return environment.model_copy(update={**dict.fromkeys(nothing), **files})


async def _check_alone(environment: Environment) -> None:
    """A second bot would get clicks that are meant for the first.

    Raises InUse or ConfigError if there can be another bot, Unavailable or Forbidden.
    """
    file = await asyncio.to_thread(read_policy_file, environment.config)
    read_chats(environment, file)
    try:
        if not is_missing(environment.database_url):
            async with open_store(environment.database_url, ring=lambda _: None, pagers=()):
                pass
    except InUse as error:
        what = f"a bot uses it ({error.what}), but does not answer on {control_path(environment.database_url)}"
        raise InUse("NOD_DATABASE_URL", what, ELSEWHERE) from None
    if environment.slack_bot_token is None or environment.slack_app_token is None:
        return
    async with signed_in(environment) as slack:
        others = await slack.sockets(environment.slack_app_token.get_secret_value())
    if others:
        what = "another process uses this token and would get some of the clicks"
        raise ConfigError("SLACK_APP_TOKEN", what, ELSEWHERE)


def is_missing(database_url: str) -> bool:
    """Whether its file was never made, so that no bot can use it."""
    file = database_file(database_url)
    return file is not None and not file.exists()


def _said(line: str) -> None:
    print(seen(line), flush=True)  # it contains the names that people chose for themselves
