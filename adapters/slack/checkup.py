"""What is not right with Slack: scopes that are missing, channels without the bot, a token that is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from adapters.slack.api import SlackApi
from adapters.slack.identity import SCOPES, Identity
from bot.errors import ConfigError, Forbidden, Gone
from bot.surface import Destination, Surface


async def problems_of(
    api: SlackApi, identity: Identity, destinations: Sequence[Destination]
) -> tuple[ConfigError, ...]:
    """Each problem as where, what and how to fix it. Raises Unavailable when Slack cannot be asked."""
    problems = list(missing_scopes(identity.scopes))
    for place in dict.fromkeys(destinations):
        problem = await _problem_in(api, place.channel) if place.surface is Surface.SLACK else None
        problems += [problem] if problem else []
    return tuple(problems)


async def troubles_in(api: SlackApi, channels: Sequence[str]) -> Mapping[str, str]:
    """What keeps cards from standing in these channels, each with what to do about it.

    Under "" why Slack refuses the token; then no channel is asked about. Raises Unavailable only.
    """
    try:
        await api.identity()
    except Forbidden as error:
        return {"": str(error)}
    asked = tuple(dict.fromkeys(channels))
    found = await asyncio.gather(*(_problem_in(api, channel) for channel in asked))
    problems = zip(asked, found, strict=True)
    return {channel: f"it {problem.what}. {problem.fix}" for channel, problem in problems if problem}


def missing_scopes(granted: frozenset[str]) -> tuple[ConfigError, ...]:
    """One problem for each scope that the token lacks."""
    fix = "Add it under OAuth & Permissions (or use Nod's manifest) and reinstall the app"
    return tuple(
        ConfigError("SLACK_BOT_TOKEN", f"lacks the scope {scope}, needed to {purpose}", fix)
        for scope, purpose in SCOPES.items()
        if scope not in granted
    )


async def _problem_in(api: SlackApi, channel_id: str) -> ConfigError | None:
    where = f"slack:{channel_id}"
    try:
        answer = await api.read("conversations.info", channel=channel_id)
    except (Forbidden, Gone) as error:
        return ConfigError(where, "cannot be read", str(error))
    channel = answer.get("channel") or {}
    if channel.get("is_archived"):
        return ConfigError(where, "is archived", "Unarchive the channel or name another one")
    if not channel.get("is_member") and not channel.get("is_im"):
        return ConfigError(where, "does not have the bot in it", "Say /invite @Nod in the channel")
    if channel.get("is_ext_shared"):
        what = "is shared with another company, whose people would read the arguments of calls"
        return ConfigError(where, what, "Name a channel of your own workspace")
    return None
