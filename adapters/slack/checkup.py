"""What is not right with Slack: scopes that are missing, channels without the bot, a token that is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.slack.api import SlackApi
from adapters.slack.identity import SCOPES, Identity
from bot.errors import ConfigError, Forbidden, Gone
from bot.surface import Destination, Surface


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a look at Slack found."""

    problems: tuple[ConfigError, ...]  #: each as where, what and how to fix it
    channels: tuple[str, ...]  #: the names of those in which all is well


async def checked(api: SlackApi, identity: Identity, destinations: Sequence[Destination]) -> Checked:
    """The token's scopes, and these channels. Raises Unavailable when Slack cannot be asked."""
    problems, well = list(missing_scopes(identity.scopes)), []
    for place in dict.fromkeys(destinations):
        if place.surface != Surface.SLACK:
            continue
        name, problem = await _look_at(api, place.channel)
        if problem is None:
            well.append(name)
        else:
            problems.append(problem)
    return Checked(problems=tuple(problems), channels=tuple(well))


async def troubles_in(api: SlackApi, channels: Sequence[str]) -> Mapping[str, str]:
    """What keeps cards from standing in these channels, each with what to do about it.

    Under "" why Slack refuses the token; then no channel is asked about. Raises Unavailable only.
    """
    try:
        await api.identity()
    except Forbidden as error:
        return {"": str(error)}
    asked = tuple(dict.fromkeys(channels))
    found = await asyncio.gather(*(_look_at(api, channel) for channel in asked))
    problems = zip(asked, found, strict=True)
    return {channel: f"it {problem.what}. {problem.fix}" for channel, (_, problem) in problems if problem}


def missing_scopes(granted: frozenset[str]) -> tuple[ConfigError, ...]:
    """One problem for each scope that the token lacks."""
    fix = "Add the scope under OAuth & Permissions (or use Nod's manifest) and reinstall the app"
    return tuple(
        ConfigError("SLACK_BOT_TOKEN", f"lacks the scope {scope}, needed to {purpose}", fix)
        for scope, purpose in SCOPES.items()
        if scope not in granted
    )


async def _look_at(api: SlackApi, channel_id: str) -> tuple[str, ConfigError | None]:
    """What people call a channel, and what is wrong with it."""
    where = f"slack:{channel_id}"
    try:
        answer = await api.read("conversations.info", channel=channel_id)
    except (Forbidden, Gone) as error:
        return where, ConfigError(where, "cannot be read", str(error))
    channel = answer.get("channel") or {}
    name = f"#{channel['name']}" if channel.get("name") else where
    named = f"{name} ({where})" if name != where else where
    if channel.get("is_archived"):
        return name, ConfigError(named, "is archived", "Unarchive the channel or choose another one")
    if not channel.get("is_member") and not channel.get("is_im"):
        return name, ConfigError(named, "does not have the bot in it", "Type /invite @Nod in the channel")
    if channel.get("is_ext_shared"):
        what = "is shared with another company, whose people would see the calls"
        return name, ConfigError(named, what, "Choose a channel of your own workspace")
    return name, None
