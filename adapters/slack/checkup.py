"""What `nod check` says about Slack: missing scopes, channels that the bot cannot speak in."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.slack.api import SlackApi
from adapters.slack.identity import Identity
from adapters.slack.scopes import SCOPES
from bot.approval import Surface
from bot.errors import ConfigError, Forbidden
from bot.routing import Destination


async def problems_of(
    api: SlackApi, identity: Identity, destinations: Sequence[Destination]
) -> tuple[ConfigError, ...]:
    """Each problem as where, what and how to mend it. Raises Unavailable when Slack cannot be asked."""
    problems = list(missing_scopes(identity.scopes))
    for place in dict.fromkeys(destinations):
        if place.surface is Surface.SLACK:
            problems += await _problems_in(api, place.channel)
    return tuple(problems)


def missing_scopes(granted: frozenset[str]) -> tuple[ConfigError, ...]:
    """One problem for each scope that the token lacks."""
    fix = "Add it under OAuth & Permissions (or use Nod's manifest) and reinstall the app"
    return tuple(
        ConfigError("SLACK_BOT_TOKEN", f"lacks the scope {scope}, needed to {purpose}", fix)
        for scope, purpose in SCOPES.items()
        if scope not in granted
    )


async def _problems_in(api: SlackApi, channel_id: str) -> list[ConfigError]:
    where = f"slack:{channel_id}"
    try:
        answer = await api.read("conversations.info", channel=channel_id)
    except Forbidden as error:
        return [ConfigError(where, "cannot be read", str(error))]
    channel = answer.get("channel") or {}
    if channel.get("is_archived"):
        return [ConfigError(where, "is archived", "Unarchive the channel or name another one")]
    if not channel.get("is_member") and not channel.get("is_im"):
        return [ConfigError(where, "does not have the bot in it", "Say /invite @Nod in the channel")]
    if channel.get("is_ext_shared"):
        what = "is shared with another company, whose people would read the arguments of calls"
        return [ConfigError(where, what, "Name a channel of your own workspace")]
    return []
