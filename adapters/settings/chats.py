"""What the bot in Teams is opened with, from the environment and the places in nod.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from pydantic import SecretStr

from adapters.chat.words import CHATS, GUID
from adapters.clouds import Cloud
from adapters.settings.destinations import is_workflow
from adapters.settings.environment import Environment
from adapters.settings.policy_file import PolicyFile
from adapters.settings.problems import Problems
from adapters.settings.variables import LOOPBACK, listed
from bot.errors import ConfigError
from bot.surface import Destination, Surface

_OPEN_DOOR = "DANGEROUSLY_ALLOW_UNAUTHENTICATED_TEAMS"


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


def read_teams(environment: Environment, file: PolicyFile) -> TeamsSettings | None:
    """The bot's, if nod.yaml names a place for it. Raises ConfigError with all that is missing or wrong."""
    place = _first_of_the_bot(file)
    return None if place is None else _teams(environment, place, file)


def _first_of_the_bot(file: PolicyFile) -> Destination | None:
    return next(
        (
            place
            for place in file.places
            if place.surface == Surface.TEAMS and not is_workflow(place, file.workflows)
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
        fix = f"{CHATS[Surface.TEAMS].set_up} or remove this entry."
        problems.add([ConfigError(file.places[place], what, fix)])
    if not open_door and (password is None or not password.get_secret_value()):
        what = f"is not set, but {file.places[place]} names {place}"
        fix = "Set it to a client secret of the bot's app registration."
        problems.add([ConfigError("MicrosoftAppPassword", what, fix)])
    for name, value in (("MicrosoftAppId", app_id), ("MicrosoftAppTenantId", tenant)):
        if not GUID.fullmatch(value) and (value or name != "MicrosoftAppId"):
            what = "is not an id (32 hex digits with hyphens)" if value else "is not set, but Teams needs it"
            fix = "Copy it from the Overview page of the bot's app registration."
            problems.add([ConfigError(name, what, fix)])
    if not environment.cloud.service_hosts:
        what = f"is not set, and Nod knows no service hosts for the cloud {environment.microsoft_cloud}"
        fix = "Set it to the host in `serviceUrl` of the activities that Teams sends to the bot."
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
        what = "is true although MicrosoftAppId is set"
        raise ConfigError(_OPEN_DOOR, what, "Unset it: with an app id, requests are authenticated.")
    if environment.host not in LOOPBACK:
        what = f"is {environment.host}, and {_OPEN_DOOR} is true: anyone who can reach it could approve"
        raise ConfigError("NOD_HOST", what, f"Set it to 127.0.0.1, or unset {_OPEN_DOOR}.")
