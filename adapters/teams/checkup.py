"""What is not right with Teams: a refused app, conversations without the bot, names that fit none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from adapters.teams.api import TeamsApi
from adapters.teams.conversations import Scope
from adapters.teams.errors import AppRefused
from adapters.teams.places import Places
from bot.errors import ConfigError, Forbidden, Gone
from bot.surface import Destination, Surface

ADD = "Add the app to that team, chat or person, and look at its id under Get link to channel"


async def problems_of(
    api: TeamsApi, places: Places, destinations: Sequence[Destination]
) -> tuple[ConfigError, ...]:
    """Each problem as where, what and how to mend it. Raises Unavailable when Teams cannot be asked."""
    wanted = [place.channel for place in dict.fromkeys(destinations) if place.surface is Surface.TEAMS]
    try:
        found = [(channel, await _problem_in(api, places, channel)) for channel in wanted]
    except AppRefused as error:
        return (ConfigError("MicrosoftAppId", "is refused", str(error)),)
    return tuple(ConfigError(f"teams:{channel}", what, ADD) for channel, what in found if what)


async def troubles_in(api: TeamsApi, places: Places, channels: Sequence[str]) -> Mapping[str, str]:
    """What keeps cards from standing in these conversations; under "" why the bot itself is refused.

    The bot is asked about even without any, or with none that is known. Raises Unavailable only.
    """
    try:
        await _prove(api, places)
        asked = tuple(dict.fromkeys(channels))
        found = await asyncio.gather(*(_problem_in(api, places, channel) for channel in asked))
    except AppRefused as error:
        return {"": str(error)}
    return {channel: what for channel, what in zip(asked, found, strict=True) if what}


async def _prove(api: TeamsApi, places: Places) -> None:
    """Raises AppRefused. Teams answers about conversations only; the roster of a personal one is short."""
    for known in sorted(places.every(), key=lambda ref: ref.scope is not Scope.PERSONAL)[:1]:
        try:
            await api.meet(known)
        except AppRefused:
            raise
        except (Forbidden, Gone):
            pass  # that conversation's own trouble


async def _problem_in(api: TeamsApi, places: Places, channel: str) -> str | None:
    try:
        await api.meet(places.resolve(channel))
    except AppRefused:
        raise
    except (Forbidden, Gone) as error:
        return f"cannot be spoken in: {error}"
    return None
