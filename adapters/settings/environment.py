"""Secrets and addresses from the environment, by the names that each ecosystem already uses."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.clouds import CLOUDS, Cloud, CloudName
from adapters.settings.problems import Problems, in_variables, misspelt
from adapters.settings.variables import (
    FIXES,
    Address,
    ApiKey,
    AppToken,
    AppType,
    BotToken,
    GuardedAddress,
    GuardedSecret,
    Hosts,
    MaybeHosts,
    PlatformKey,
    RelayToken,
    SealSecret,
    SigningSecret,
    Switch,
    Tenants,
    WebhookSecret,
    cleaned,
    is_plain_http,
    listed,
    seal_keys,
)
from bot.errors import ConfigError

S = TypeVar("S", bound=BaseSettings)
LogFormat = Literal["auto", "json", "text"]
LogLevel = Literal["info", "warning", "error"]


class _Variables(BaseSettings):
    """Variables without quotes, blanks and line ends around them; an empty one is not set."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _meant(cls, given: dict[str, Any]) -> dict[str, Any]:
        meant = {name: cleaned(value) if isinstance(value, str) else value for name, value in given.items()}
        return {name: value for name, value in meant.items() if value != ""}


class LocalEnvironment(_Variables):
    """What the policy's tools need: no platform and no way into a chat."""

    config: Path = Field(default=Path("nod.yaml"), validation_alias="NOD_CONFIG")
    database_url: str = Field(default="sqlite:///nod.db", validation_alias="NOD_DATABASE_URL")
    auto_approve: Switch = Field(default=False, validation_alias="GLAIP_HITL_AUTO_APPROVE")
    audit_key: Path | None = Field(default=None, validation_alias="NOD_AUDIT_KEY")
    microsoft_app_id: str | None = Field(default=None, validation_alias="MicrosoftAppId")
    secret: SealSecret = Field(default=None, validation_alias="NOD_SECRET")

    def known_secrets(self) -> tuple[str, ...]:
        """`NOD_SECRET` as one or two secrets, the current one first; none where it is not set."""
        return seal_keys(self.secret.get_secret_value()) if self.secret else ()


class Environment(LocalEnvironment):
    """What the environment says. Every field is in the table of docs/reference.md."""

    aip_api_url: Address = Field(validation_alias="AIP_API_URL")
    aip_api_key: PlatformKey = Field(validation_alias="AIP_API_KEY")
    allow_plain_http: Switch = Field(default=False, validation_alias="NOD_ALLOW_PLAIN_HTTP")
    slack_bot_token: BotToken = Field(default=None, validation_alias="SLACK_BOT_TOKEN")
    slack_signing_secret: SigningSecret = Field(default=None, validation_alias="SLACK_SIGNING_SECRET")
    slack_app_token: AppToken = Field(default=None, validation_alias="SLACK_APP_TOKEN")
    slack_api_url: Address = Field(default="https://slack.com/api/", validation_alias="SLACK_API_URL")
    host: str = Field(default="127.0.0.1", validation_alias="NOD_HOST")
    port: int = Field(default=3000, ge=0, le=65535, validation_alias="NOD_PORT")
    keep_alive: int = Field(default=620, ge=5, le=86_400, validation_alias="NOD_KEEP_ALIVE")
    log_format: LogFormat = Field(default="auto", validation_alias="NOD_LOG_FORMAT")
    log_level: LogLevel = Field(default="info", validation_alias="NOD_LOG_LEVEL")
    audit_checkpoints: Path | None = Field(default=None, validation_alias="NOD_AUDIT_CHECKPOINTS")
    audit_webhook: GuardedAddress | None = Field(default=None, validation_alias="NOD_AUDIT_WEBHOOK")
    microsoft_app_password: SecretStr | None = Field(default=None, validation_alias="MicrosoftAppPassword")
    microsoft_app_tenant_id: str | None = Field(default=None, validation_alias="MicrosoftAppTenantId")
    microsoft_app_type: AppType = Field(default="SingleTenant", validation_alias="MicrosoftAppType")
    microsoft_cloud: CloudName = Field(default="Public", validation_alias="NOD_MICROSOFT_CLOUD")
    graph_url: GuardedAddress = Field(
        default="https://graph.microsoft.com/v1.0", validation_alias="NOD_GRAPH_URL"
    )
    login_url: GuardedAddress = Field(
        default="https://login.microsoftonline.com", validation_alias="NOD_LOGIN_URL"
    )
    teams_openid_url: GuardedAddress = Field(
        default="https://login.botframework.com/v1/.well-known/openidconfiguration",
        validation_alias="NOD_TEAMS_OPENID_URL",
    )
    teams_token_url: GuardedAddress | None = Field(default=None, validation_alias="NOD_TEAMS_TOKEN_URL")
    teams_service_hosts: Hosts = Field(
        default="smba.trafficmanager.net", validation_alias="NOD_TEAMS_SERVICE_HOSTS"
    )
    teams_tenants: Tenants = Field(default=None, validation_alias="NOD_TEAMS_TENANTS")
    teams_webhook_hosts: MaybeHosts = Field(default=None, validation_alias="NOD_TEAMS_WEBHOOK_HOSTS")
    allow_unauthenticated_teams: Switch = Field(
        default=False, validation_alias="DANGEROUSLY_ALLOW_UNAUTHENTICATED_TEAMS"
    )
    webhook_secret: WebhookSecret = Field(default=None, validation_alias="NOD_WEBHOOK_SECRET")
    pagerduty_url: GuardedAddress = Field(
        default="https://events.pagerduty.com", validation_alias="NOD_PAGERDUTY_URL"
    )
    opsgenie_url: GuardedAddress = Field(
        default="https://api.opsgenie.com", validation_alias="NOD_OPSGENIE_URL"
    )
    pagerduty_api_key: ApiKey = Field(default=None, validation_alias="PAGERDUTY_API_KEY")
    pagerduty_api_url: GuardedAddress = Field(
        default="https://api.pagerduty.com", validation_alias="NOD_PAGERDUTY_API_URL"
    )
    opsgenie_api_key: ApiKey = Field(default=None, validation_alias="OPSGENIE_API_KEY")
    relay_token: RelayToken | None = Field(default=None, validation_alias="NOD_RELAY_TOKEN")
    heartbeat_url: GuardedSecret = Field(default=None, validation_alias="NOD_HEARTBEAT_URL")
    alert_spool: Path | None = Field(default=None, validation_alias="NOD_ALERT_SPOOL")

    @property
    def cloud(self) -> Cloud:
        """Microsoft's cloud, with the addresses that were set in place of its own."""
        given: dict[str, Any] = {
            "login_url": self.login_url,
            "graph_url": self.graph_url,
            "openid_url": self.teams_openid_url,
            "service_hosts": listed(self.teams_service_hosts),
            "token_endpoint": self.teams_token_url,
        }
        fields = {
            "openid_url": "teams_openid_url",
            "service_hosts": "teams_service_hosts",
            "token_endpoint": "teams_token_url",
        }
        set_here = {name: v for name, v in given.items() if fields.get(name, name) in self.model_fields_set}
        return replace(CLOUDS[self.microsoft_cloud], **set_here)

    @property
    def pager_urls(self) -> Mapping[str, str]:
        """The addresses of pagers that are services, by their kind under `alerts:`."""
        return {"pagerduty": self.pagerduty_url, "opsgenie": self.opsgenie_url}

    def seal_secrets(self) -> tuple[str, ...]:
        """`NOD_SECRET` as one or two secrets, the current one first, for `bot.seal.Seal`.

        Raises ConfigError when it is not set: without it no button could be told from a forged one.
        """
        secrets = self.known_secrets()
        if not secrets:
            raise ConfigError("NOD_SECRET", "is not set", FIXES["NOD_SECRET"])
        return secrets

    def in_the_clear(self) -> tuple[str, ...]:
        """The variables whose addresses are allowed to leave this machine unencrypted."""
        return _in_the_clear(self)


class RelayEnvironment(_Variables):
    """What the relay needs: no key of the platform, since each client brings its own, and no seal."""

    aip_api_url: Address = Field(validation_alias="AIP_API_URL")
    allow_plain_http: Switch = Field(default=False, validation_alias="NOD_ALLOW_PLAIN_HTTP")
    relay_token: RelayToken = Field(validation_alias="NOD_RELAY_TOKEN")
    keep_alive: int = Field(default=620, ge=5, le=86_400, validation_alias="NOD_KEEP_ALIVE")
    log_format: LogFormat = Field(default="auto", validation_alias="NOD_LOG_FORMAT")
    log_level: LogLevel = Field(default="info", validation_alias="NOD_LOG_LEVEL")


def read_environment(given: Mapping[str, str] | None = None) -> Environment:
    """The environment, with the `given` variables before it.

    Raises ConfigError with each variable that is missing or wrong; values are never shown.
    """
    return _read(Environment, given)


def read_local_environment() -> LocalEnvironment:
    """The same for `LocalEnvironment`."""
    return _read(LocalEnvironment)


def read_relay_environment() -> RelayEnvironment:
    """The same for `RelayEnvironment`."""
    return _read(RelayEnvironment)


def read_what_is_right(problems: Problems) -> Environment:
    """The environment with defaults in place of what is missing or wrong, which is added to `problems`."""
    try:
        return _read(Environment)
    except ConfigError as error:
        problems.add(error.each)
    fields = {str(field.validation_alias): field for field in Environment.model_fields.values()}
    wrong = {one.where: fields[one.where].get_default() for one in problems if one.where in fields}
    return Environment(**{name: _STAND_INS.get(name, value) for name, value in wrong.items()})


def plain(value: SecretStr | None) -> str | None:
    """A secret as it is sent; None where it is not set."""
    return value.get_secret_value() if value else None


def _in_the_clear(environment: Environment | RelayEnvironment) -> tuple[str, ...]:
    addresses = {"AIP_API_URL": environment.aip_api_url}
    if isinstance(environment, Environment) and environment.slack_bot_token is not None:
        addresses["SLACK_API_URL"] = environment.slack_api_url
    return tuple(name for name, address in addresses.items() if is_plain_http(address))


def _unguarded(environment: BaseSettings) -> Iterator[ConfigError]:
    """Addresses that would send keys in the clear, unless that is allowed."""
    if not isinstance(environment, Environment | RelayEnvironment) or environment.allow_plain_http:
        return
    for name in _in_the_clear(environment):
        what = "is http:// to another machine, so others could read and change keys and decisions"
        yield ConfigError(name, what, "Use https://, or set NOD_ALLOW_PLAIN_HTTP=true if the network is safe.")


def _read(kind: type[S], given: Mapping[str, Any] | None = None) -> S:
    problems = Problems()
    slips = _slips(kind, given or {})
    try:
        environment = kind(**(given or {}))
    except ValidationError as error:
        wrong = in_variables(error, fixes=FIXES)
        problems.add(one for one in wrong if one.where not in slips.values())
    else:
        problems.add(_unguarded(environment))
    for name, meant in slips.items():
        problems.add([ConfigError(meant, f"is not set, but {name} is", f"Did you mean {meant}?")])
    if problems:
        raise problems.together() from None  # pydantic's own error holds the values
    return environment


def _slips(kind: type[BaseSettings], besides: Mapping[str, Any]) -> dict[str, str]:
    """Variables that are set and mean nothing, with the setting of this kind that each was meant to be."""
    mine = [str(field.validation_alias) for field in kind.model_fields.values()]
    known = [str(field.validation_alias) for one in _KINDS for field in one.model_fields.values()]
    named = [name for name in os.environ if name.casefold().startswith(_PREFIXES) and name not in _OTHERS]
    given = {name.casefold() for name, value in os.environ.items() if cleaned(value)}
    unset = [name for name in mine if name.casefold() not in given and name not in besides]
    return dict(misspelt(named, known=known, unset=unset))


#: In place of what is missing, for a look at the rest.
_STAND_INS = {"AIP_API_URL": "http://127.0.0.1", "AIP_API_KEY": "-"}
_KINDS: tuple[type[BaseSettings], ...] = (Environment, RelayEnvironment)
#: How variables begin that may be meant for Nod, and those of others that look much like one of Nod's.
_PREFIXES = ("nod_", "aip_", "glaip_", "slack_", "microsoft", "pagerduty_", "opsgenie_")
_OTHERS = frozenset(("SLACK_API_TOKEN",))
