"""Secrets and addresses from the environment, by the names that each ecosystem already uses."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.settings.variables import (
    Address,
    ApiKey,
    AppToken,
    BotToken,
    GuardedAddress,
    GuardedSecret,
    SealSecret,
    SigningSecret,
    Switch,
    WebhookSecret,
)
from bot.errors import ConfigError

S = TypeVar("S", bound=BaseSettings)


class LocalEnvironment(BaseSettings):
    """What the policy's tools need: no platform and no chat."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    config: Path = Field(default=Path("nod.yaml"), validation_alias="NOD_CONFIG")
    database_url: str = Field(default="sqlite:///nod.db", validation_alias="NOD_DATABASE_URL")
    auto_approve: Switch = Field(default=False, validation_alias="GLAIP_HITL_AUTO_APPROVE")
    audit_key: Path | None = Field(default=None, validation_alias="NOD_AUDIT_KEY")


class Environment(LocalEnvironment):
    """What the environment says. Every field is in the README's table."""

    aip_api_url: Address = Field(validation_alias="AIP_API_URL")
    aip_api_key: SecretStr = Field(validation_alias="AIP_API_KEY", min_length=1)
    slack_bot_token: BotToken = Field(default=None, validation_alias="SLACK_BOT_TOKEN")
    slack_signing_secret: SigningSecret = Field(default=None, validation_alias="SLACK_SIGNING_SECRET")
    slack_app_token: AppToken = Field(default=None, validation_alias="SLACK_APP_TOKEN")
    slack_api_url: Address = Field(default="https://slack.com/api/", validation_alias="SLACK_API_URL")
    host: str = Field(default="127.0.0.1", validation_alias="NOD_HOST")
    port: int = Field(default=3000, ge=0, le=65535, validation_alias="NOD_PORT")
    log_format: Literal["auto", "json", "text"] = Field(default="auto", validation_alias="NOD_LOG_FORMAT")
    secret: SealSecret = Field(default=None, validation_alias="NOD_SECRET")
    audit_checkpoints: Path | None = Field(default=None, validation_alias="NOD_AUDIT_CHECKPOINTS")
    audit_webhook: GuardedAddress | None = Field(default=None, validation_alias="NOD_AUDIT_WEBHOOK")
    microsoft_app_id: str | None = Field(default=None, validation_alias="MicrosoftAppId")
    microsoft_app_password: SecretStr | None = Field(default=None, validation_alias="MicrosoftAppPassword")
    microsoft_app_tenant_id: str | None = Field(default=None, validation_alias="MicrosoftAppTenantId")
    graph_url: GuardedAddress = Field(
        default="https://graph.microsoft.com/v1.0", validation_alias="NOD_GRAPH_URL"
    )
    login_url: GuardedAddress = Field(
        default="https://login.microsoftonline.com", validation_alias="NOD_LOGIN_URL"
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
    heartbeat_url: GuardedSecret = Field(default=None, validation_alias="NOD_HEARTBEAT_URL")
    alert_spool: Path | None = Field(default=None, validation_alias="NOD_ALERT_SPOOL")

    def seal_secrets(self) -> tuple[str, ...]:
        """`NOD_SECRET` as one or two secrets, the current one first, for `bot.seal.Seal`.

        Raises ConfigError when it is not set: without it no button could be told from a forged one.
        """
        if self.secret is None:
            raise ConfigError("NOD_SECRET", "is not set", _FIXES["NOD_SECRET"])
        return tuple(key.strip() for key in self.secret.get_secret_value().split(","))


_FIXES = {
    "AIP_API_URL": (
        "Set it to the platform's address, for example http://localhost:8000, "
        "or try Nod without any account: nod demo"
    ),
    "AIP_API_KEY": "Set it to the platform's API key.",
    "SLACK_BOT_TOKEN": "Copy the Bot User OAuth Token from your app's OAuth & Permissions page.",
    "SLACK_SIGNING_SECRET": "Copy the Signing Secret from your app's Basic Information page.",
    "SLACK_APP_TOKEN": "Create an app-level token with connections:write, or unset it to use HTTP.",
    "SLACK_API_URL": "Unset it for the real Slack, or name a local one with its scheme.",
    "NOD_SECRET": "Set it to the output of `openssl rand -hex 32`; during a rotation to `new,old`.",
    "GLAIP_HITL_AUTO_APPROVE": "Set it to true or false, or unset it.",
    "NOD_AUDIT_WEBHOOK": "Set it to an https address that keeps checkpoints, or unset it.",
    "NOD_GRAPH_URL": "Unset it for the real Microsoft Graph.",
    "NOD_LOGIN_URL": "Unset it for the real Microsoft login.",
    "NOD_WEBHOOK_SECRET": "Set it to the output of `openssl rand -hex 32`, and tell it to the receivers.",
    "NOD_PAGERDUTY_URL": "Unset it, or name the service region's address, such as https://events.eu.pagerduty.com.",
    "NOD_OPSGENIE_URL": "Unset it, or name the instance's address, such as https://api.eu.opsgenie.com.",
    "PAGERDUTY_API_KEY": "Set it to a read-only REST API key of PagerDuty, without spaces, or unset it.",
    "OPSGENIE_API_KEY": "Set it to the key of an API integration in Opsgenie, without spaces, or unset it.",
    "NOD_PAGERDUTY_API_URL": "Unset it, or name the service region's address: https://api.eu.pagerduty.com.",
    "NOD_HEARTBEAT_URL": "Set it to the https address that a dead man's switch gave you, or unset it.",
    "NOD_PORT": "Set it to a free port between 0 and 65535.",
    "NOD_LOG_FORMAT": "Set it to auto, json or text.",
}


def read_environment() -> Environment:
    """Raises ConfigError for the first variable that is missing or wrong; its value is never shown."""
    return _read(Environment)


def read_local_environment() -> LocalEnvironment:
    """The same for `LocalEnvironment`."""
    return _read(LocalEnvironment)


def _read(kind: type[S]) -> S:
    try:
        return kind()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = str(first["loc"][0])
        what = "is not set" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
        raise ConfigError(name, what, _FIXES.get(name, "Correct it.")) from None


def read_chat(environment: Environment) -> None:
    """Raises ConfigError unless a chat is set up: without one, nobody could answer."""
    if environment.slack_bot_token is None:
        raise ConfigError(
            "SLACK_BOT_TOKEN",
            "is not set, so Nod has no chat to show cards in",
            "Set it (README, Connect a Slack workspace), or try Nod without any account: nod demo",
        )
    if environment.slack_app_token is None and environment.slack_signing_secret is None:
        raise ConfigError(
            "SLACK_SIGNING_SECRET",
            "is not set, so clicks could not be verified",
            "Set it to receive clicks over HTTP, or set SLACK_APP_TOKEN to use Socket Mode.",
        )
