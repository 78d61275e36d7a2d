"""What `nod init` asks a chat: whether the tokens work, and which channels and people there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from adapters.chat.plugin import Finding
from adapters.cli.init_files import Approver, Place
from adapters.http import REACHED, open_client
from adapters.settings import Environment, TeamsSettings
from adapters.slack import SCOPES, Channel, Member, Slack
from adapters.slack_plugin import signed_in
from adapters.teams_plugin import keys_finding, token_finding
from bot.errors import ConfigError, Forbidden, Unavailable
from bot.surface import Destination, Surface

#: Names shown in a list at once: people do not read more.
MOST_SHOWN = 30

#: Asks for a line, given what it is for; None where nobody can be asked.
Ask = Callable[[str], str] | None
Say = Callable[[Finding], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Channel and people as a person typed them; missing ones are asked for."""

    channel: str | None
    alerts: str | None
    approvers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The same, as the chat knows them."""

    cards: Place
    alerts: Place
    approvers: tuple[Approver, ...]


async def choose_in_slack(environment: Environment, wanted: Wanted, *, ask: Ask, say: Say) -> Chosen | None:
    """Check the tokens, then find channel and people; None if a token is invalid, which is already printed.

    Raises ConfigError for an unknown name.
    """
    async with AsyncExitStack() as stack:
        slack = await _signed_in(environment, stack, say=say)
        if slack is None:
            return None
        channels, members = await slack.channels(), await slack.members()
        cards = _channel(channels, wanted.channel, slack, option="--channel", ask=ask)
        alerts = (
            cards
            if wanted.alerts is None
            else _channel(channels, wanted.alerts, slack, option="--alerts", ask=None)
        )
        for channel in dict.fromkeys((cards, alerts)):
            say(_of_channel(channel, slack))
        approvers = _people(members, wanted.approvers, slack, ask=ask)
    say(Finding(what=f"Approvers: {', '.join(person.name for person in approvers)}"))
    return Chosen(
        cards=_place(cards),
        alerts=_place(alerts),
        approvers=tuple(Approver(name=one.name, email=one.email, slack=one.id) for one in approvers),
    )


async def _signed_in(environment: Environment, stack: AsyncExitStack, *, say: Say) -> Slack | None:
    """Tries every token, so that all invalid ones are reported at once."""
    try:
        slack = await stack.enter_async_context(signed_in(environment))
    except (Unavailable, Forbidden) as error:
        say(Finding(what=f"Slack: {error}", fix="Check SLACK_BOT_TOKEN, and that the app is installed."))
        return None
    identity, good = slack.identity, True
    say(Finding(what=f"Slack: signed in to {identity.team or environment.slack_api_url} as @{identity.name}"))
    if missing := [scope for scope in SCOPES if scope not in identity.scopes]:
        good = False
        what = f"Slack: SLACK_BOT_TOKEN lacks the scopes {', '.join(missing)}"
        fix = "Update the app with `nod manifest slack` and reinstall it."
        say(Finding(what=what, fix=fix))
    if environment.slack_app_token is not None:
        try:
            await slack.check_app_token(environment.slack_app_token.get_secret_value())
            say(Finding(what="Slack: SLACK_APP_TOKEN opens a socket"))
        except (Unavailable, Forbidden) as error:
            good = False
            say(Finding(what=f"Slack: {error}", fix="Check SLACK_APP_TOKEN."))
    return slack if good else None


def _channel(channels: Sequence[Channel], text: str | None, slack: Slack, *, option: str, ask: Ask) -> Channel:
    listed = ", ".join(f"#{one.name}" for one in channels[:MOST_SHOWN])
    if text is None and ask is not None:
        text = ask(f"Channel for the cards ({listed})")
    while True:
        wanted = (text or "").strip().removeprefix("slack:").removeprefix("#").casefold()
        for one in channels:
            if wanted in (one.name.casefold(), one.id.casefold()):
                return one
        if ask is None:
            what = f"{slack.identity.team or 'Slack'} has no channel {text!r} that Nod can see"
            raise ConfigError(
                option, what, f"Create it, invite Nod if it is private, or choose another: {listed}."
            )
        text = ask(f"There is no channel {text!r}. Channel for the cards ({listed})")


def _of_channel(channel: Channel, slack: Slack) -> Finding:
    if channel.shared:
        what = f"#{channel.name} is shared with another company, whose people would read the requests"
        return Finding(what=what, fix="Choose a channel of your own workspace.", advice=True)
    if not channel.member:
        fix = f"In Slack, write in #{channel.name}: /invite @{slack.identity.name}"
        return Finding(what=f"#{channel.name}: Nod is not in it yet", fix=fix, advice=True)
    return Finding(what=f"#{channel.name}: Nod is in it")


def _place(channel: Channel) -> Place:
    return Place(at=Destination(surface=Surface.SLACK, channel=channel.id), name=f"#{channel.name}")


def _people(members: Sequence[Member], texts: Sequence[str], slack: Slack, *, ask: Ask) -> tuple[Member, ...]:
    inside = [one for one in members if not one.outside]
    listed = ", ".join(one.name for one in inside[:MOST_SHOWN])
    if not texts and ask is not None:
        texts = ask(f"Approvers, separated by commas ({listed})").split(",")
    while True:
        try:
            return tuple(dict.fromkeys(_person(members, text, slack, listed) for text in texts))
        except ConfigError as error:
            if ask is None:
                raise
            texts = ask(f"{error.what}. Approvers ({listed})").split(",")


def _person(members: Sequence[Member], text: str, slack: Slack, listed: str) -> Member:
    found = [one for one in members if one.is_called(text)]
    if len(found) > 1:
        ids = ", ".join(f"{one.name} ({one.id})" for one in found)
        raise ConfigError(
            "--approver", f"{len(found)} people are called {text.strip()!r}", f"Give the id of one: {ids}."
        )
    if not found:
        team = slack.identity.team or "Slack"
        raise ConfigError(
            "--approver", f"no one in {team} is called {text.strip()!r}", f"Choose from: {listed}."
        )
    if found[0].outside:
        what = f"{found[0].name} is a guest or from another company, and cannot approve"
        raise ConfigError("--approver", what, f"Choose from: {listed}.")
    return found[0]


def choose_in_teams(wanted: Wanted, *, ask: Ask) -> Chosen:
    """Channel and people as typed: Teams lists them once the app is in a team.

    Raises ConfigError for an impossible channel or address.
    """
    channel = wanted.channel or (ask("Name of the Teams channel for the cards") if ask else "")
    texts = wanted.approvers or tuple(
        (ask("Approvers' e-mail addresses, separated by commas") if ask else "").split(",")
    )
    people = [text.strip() for text in texts]
    for text in people:
        if not text.partition("@")[2] or " " in text:
            what = f"{text!r} is not an e-mail address"
            raise ConfigError("--approver", what, "Give the address that they sign in to Teams with.")
    cards = _teams_place(channel)
    return Chosen(
        cards=cards,
        alerts=_teams_place(wanted.alerts) if wanted.alerts else cards,
        approvers=tuple(Approver(name=_spoken(email), email=email) for email in dict.fromkeys(people)),
    )


def _teams_place(text: str) -> Place:
    name = text.strip().removeprefix("teams:").removeprefix("#").strip()
    return Place(at=Destination(surface=Surface.TEAMS, channel=name), name=f"the channel {name} of a team")


def _spoken(email: str) -> str:
    """Ann Albers, from ann.albers@…, until Teams gives the name."""
    return " ".join(part.capitalize() for part in email.partition("@")[0].replace("_", ".").split(".") if part)


async def check_teams(settings: TeamsSettings, *, say: Say) -> bool:
    """Whether Entra accepts the credentials and Teams' keys can be read."""
    async with open_client(timeout=REACHED) as client:
        keys = await keys_finding(client, settings)
        say(replace(keys, advice=True))
        try:
            say(await token_finding(client, settings))
        except (Unavailable, Forbidden) as error:
            fix = "Copy CLIENT_ID, CLIENT_SECRET and TENANT_ID from `teams app create` or the app registration."
            say(Finding(what=f"Teams: {error}", fix=fix))
            return False
    return True
