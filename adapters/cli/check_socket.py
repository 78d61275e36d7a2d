"""Whether Slack gives the clicks of the app token to this bot alone, as `nod check` finds it out."""

from __future__ import annotations

import json

from adapters.cli.findings import Finding
from adapters.shared_token import SOCKETS
from adapters.slack import Slack
from adapters.store.ledger import open_ledger
from bot.errors import ConfigError, Forbidden, Unavailable

ALONE = "Stop the other process, or give it a Slack app of its own: each takes some of the other's clicks."


async def socket_finding(slack: Slack, app_token: str, *, database_url: str, runs: bool) -> Finding:
    """While the bot `runs`, what it recorded: another socket would be given clicks, so none is opened."""
    try:
        if runs:
            await slack.check_app_token(app_token)
            others = await _recorded(database_url)
        else:
            others = await slack.sockets(app_token)
    except (Unavailable, Forbidden) as error:
        return Finding(what=f"Slack: {error}", fix="Check SLACK_APP_TOKEN.")
    if others:
        what = "another process has a socket" if others == 1 else f"other processes have {others} sockets"
        return Finding(what=f"Slack: {what} of SLACK_APP_TOKEN", fix=ALONE)
    return Finding(what="Slack: SLACK_APP_TOKEN opens a socket")


async def _recorded(database_url: str) -> int | None:
    """How many sockets were not the running bot's when it last counted; None where it has not."""
    try:
        async with open_ledger(database_url) as ledger:
            row = await ledger.last(SOCKETS)
    except ConfigError:  # the database has a line of its own in the report
        return None
    return None if row is None else int(json.loads(row.body).get("others", 0))
