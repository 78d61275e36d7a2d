"""Which chats are set up: Slack by its token, Teams by a `teams:` place in nod.yaml and the bot's registration.

Places that are workflows are set up by their address alone. The Microsoft variables alone do not open Teams:
they serve Entra groups, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from pydantic import SecretStr

from adapters.clouds import Cloud
from adapters.settings.destinations import check_schedule_keys, is_workflow, webhook_secret
from adapters.settings.environment import Environment, read_what_is_right
from adapters.settings.policy_file import PolicyFile, read_policy_file
from adapters.settings.problems import Problems
from adapters.settings.variables import FIXES, GUID, LOOPBACK, listed
from bot.errors import ConfigError
from bot.surface import Destination, Surface

_OPEN_DOOR = "DANGEROUSLY_ALLOW_UNAUTHENTICATED_TEAMS"
_SET_UP = {
    Surface.SLACK: "Set SLACK_BOT_TOKEN (docs/slack.md)",
    Surface.TEAMS: (
        "Set MicrosoftAppId, MicrosoftAppPassword and MicrosoftAppTenantId (docs/teams.md), or name the"
        " address of a webhook under workflows,"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsSettings:
    """What `adapters.teams.open_teams` needs, by its names."""

    app_id: str  #: empty only with `dangerously_allow_unauthenticated`
    app_password: SecretStr
    tenant_id: str
    app_type: str
    cloud: Cloud  #: with the addresses that were set in place of its own
    tenants: tuple[str, ...]  #: whose people are at home besides those of `tenant_id`
    dangerously_allow_unauthenticated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chats:
    """The chats that are set up, at least one."""

    slack: bool
    teams: TeamsSettings | None  #: the bot's
    workflows: Mapping[str, SecretStr]  #: the addresses of those `teams:` places that need no bot


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is set for `nod run`."""

    environment: Environment
    file: PolicyFile
    chats: Chats


def read_settings(check: Callable[[Environment], object] = lambda _: None) -> Settings:
    """Raises ConfigError with all that is missing or wrong, in the environment and in nod.yaml, and with what
    `check` raises."""
    problems = Problems()
    environment = read_what_is_right(problems)
    problems.attempt(partial(check, environment))
    wrong = {one.where for one in problems}
    more = Problems()
    more.attempt(environment.seal_secrets)
    file = more.attempt(partial(read_policy_file, environment.config, auto_approve=environment.auto_approve))
    chats = None
    if file is None:
        more.add(_without_slack(environment))
    else:
        chats = more.attempt(partial(read_chats, environment, file))
        more.attempt(partial(webhook_secret, environment, file.pagers))
        more.attempt(partial(check_schedule_keys, environment, file.policy))
    problems.add(one for one in more if one.where not in wrong)
    if file is None or chats is None or problems:
        raise problems.together()
    return Settings(environment=environment, file=file, chats=chats)


def read_chats(environment: Environment, file: PolicyFile) -> Chats:
    """The chats of a start. Raises ConfigError when there is none, one is set up by half, or a place of the
    file is on one that is not set up."""
    problems = Problems()
    slack, on_teams = environment.slack_bot_token is not None, _first_of_the_bot(file)
    if slack or (on_teams is None and not file.workflows):
        problems.add(_without_slack(environment))
    teams = problems.attempt(partial(_teams, environment, on_teams, file)) if on_teams else None
    if problems:
        raise problems.together()
    chats = Chats(slack=slack, teams=teams, workflows=file.workflows)
    check_places(file, chats)
    return chats


def _without_slack(environment: Environment) -> Iterator[ConfigError]:
    """What Slack lacks."""
    if environment.slack_bot_token is None:
        what = "is not set, so Nod has no chat to show cards in"
        fix = f"{FIXES['SLACK_BOT_TOKEN']} Without an account: nod demo"
        yield ConfigError("SLACK_BOT_TOKEN", what, fix)
    if environment.slack_app_token is None and environment.slack_signing_secret is None:
        fix = "Create an app-level token with connections:write, or set SLACK_SIGNING_SECRET to use HTTP."
        yield ConfigError("SLACK_APP_TOKEN", "is not set, so no clicks can arrive", fix)


def check_places(file: PolicyFile, chats: Chats) -> None:
    """Raises ConfigError, with its line, for the first place that these chats do not reach.

    `chats` are those of the start; the file may have changed since.
    """
    for place, where in file.places.items():
        if is_workflow(place, file.workflows):
            if place.channel not in chats.workflows:
                what = f"{place} is a new workflow, and workflows are read at start-up"
                raise ConfigError(where, what, "Restart Nod, or remove this entry.")
        elif not (chats.slack if place.surface is Surface.SLACK else chats.teams):
            what = f"{place} is in {place.surface.value.title()}, which is not set up"
            raise ConfigError(where, what, f"{_SET_UP[place.surface]} and restart Nod, or remove this entry.")


def _first_of_the_bot(file: PolicyFile) -> Destination | None:
    return next(
        (
            place
            for place in file.places
            if place.surface is Surface.TEAMS and not is_workflow(place, file.workflows)
        ),
        None,
    )


def _teams(environment: Environment, place: Destination, file: PolicyFile) -> TeamsSettings:
    app_id, tenant = environment.microsoft_app_id or "", environment.microsoft_app_tenant_id or ""
    password, open_door = environment.microsoft_app_password, environment.allow_unauthenticated_teams
    problems = Problems()
    if open_door:
        problems.attempt(partial(_check_open_door, environment))
    elif not app_id:
        what = f"{place} is in Teams, which is not set up: MicrosoftAppId is not set"
        fix = f"{_SET_UP[Surface.TEAMS]} or remove this entry."
        problems.add([ConfigError(file.places[place], what, fix)])
    if not open_door and (password is None or not password.get_secret_value()):
        what = f"is not set, and {file.places[place]} names {place}"
        fix = "Set it to a client secret of the app registration."
        problems.add([ConfigError("MicrosoftAppPassword", what, fix)])
    for name, value in (("MicrosoftAppId", app_id), ("MicrosoftAppTenantId", tenant)):
        if not GUID.fullmatch(value) and (value or name != "MicrosoftAppId"):
            what = "is not an id (32 hex digits with hyphens)" if value else "is not set, and Teams needs it"
            fix = "Copy it from the Overview page of the app registration."
            problems.add([ConfigError(name, what, fix)])
    if not environment.cloud.service_hosts:
        what = f"is not set, and Microsoft names none for the cloud {environment.microsoft_cloud}"
        fix = "Set it to the host of `serviceUrl` in what Teams sends there."
        problems.add([ConfigError("NOD_TEAMS_SERVICE_HOSTS", what, fix)])
    if problems:
        raise problems.together()
    return TeamsSettings(
        app_id=app_id,
        app_password=password or SecretStr(""),
        tenant_id=tenant,
        app_type=environment.microsoft_app_type,
        cloud=environment.cloud,
        tenants=listed(environment.teams_tenants),
        dangerously_allow_unauthenticated=open_door,
    )


def _check_open_door(environment: Environment) -> None:
    """Nobody is authenticated then, so nobody but this machine may come."""
    if environment.microsoft_app_id:
        what = "is true beside MicrosoftAppId"
        raise ConfigError(_OPEN_DOOR, what, "Unset it: with an app id, requests are authenticated.")
    if environment.host not in LOOPBACK:
        what = f"is {environment.host}, and {_OPEN_DOOR} is true: anyone who can reach it could approve"
        raise ConfigError("NOD_HOST", what, "Set it to 127.0.0.1, or unset the other.")
