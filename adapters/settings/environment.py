"""Secrets and addresses from the environment, by the names that each ecosystem already uses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import ConfigError

#: A Slack signing secret is 32 hex digits; anything much shorter is a mistake or a guess.
SHORTEST_SECRET = 16


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return text


def _long_enough(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and len(secret.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"is shorter than {SHORTEST_SECRET} characters")
    return secret


def _starts_with(prefix: str) -> AfterValidator:
    def check(secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not secret.get_secret_value().startswith(prefix):
            raise ValueError(f"must begin with {prefix}")
        return secret

    return AfterValidator(check)


Address = Annotated[str, AfterValidator(_address)]


class Environment(BaseSettings):
    """What the environment says. Every field is in the README's table."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    aip_api_url: Address = Field(validation_alias="AIP_API_URL")
    aip_api_key: SecretStr = Field(validation_alias="AIP_API_KEY", min_length=1)
    slack_bot_token: Annotated[SecretStr | None, _starts_with("xoxb-")] = Field(
        default=None, validation_alias="SLACK_BOT_TOKEN"
    )
    slack_signing_secret: Annotated[SecretStr | None, AfterValidator(_long_enough)] = Field(
        default=None, validation_alias="SLACK_SIGNING_SECRET"
    )
    slack_app_token: Annotated[SecretStr | None, _starts_with("xapp-")] = Field(
        default=None, validation_alias="SLACK_APP_TOKEN"
    )
    slack_api_url: Address = Field(default="https://slack.com/api/", validation_alias="SLACK_API_URL")
    database_url: str = Field(default="sqlite:///nod.db", validation_alias="NOD_DATABASE_URL")
    host: str = Field(default="127.0.0.1", validation_alias="NOD_HOST")
    port: int = Field(default=3000, ge=0, le=65535, validation_alias="NOD_PORT")
    config: Path = Field(default=Path("nod.yaml"), validation_alias="NOD_CONFIG")
    log_format: Literal["auto", "json", "text"] = Field(default="auto", validation_alias="NOD_LOG_FORMAT")


_FIXES = {
    "AIP_API_URL": "Set it to the platform's address, for example http://localhost:8000.",
    "AIP_API_KEY": "Set it to the platform's API key.",
    "SLACK_BOT_TOKEN": "Copy the Bot User OAuth Token from your app's OAuth & Permissions page.",
    "SLACK_SIGNING_SECRET": "Copy the Signing Secret from your app's Basic Information page.",
    "SLACK_APP_TOKEN": "Create an app-level token with connections:write, or unset it to use HTTP.",
    "SLACK_API_URL": "Unset it for the real Slack, or name a local one with its scheme.",
    "NOD_PORT": "Set it to a free port between 0 and 65535.",
    "NOD_LOG_FORMAT": "Set it to auto, json or text.",
}


def read_environment() -> Environment:
    """Raises ConfigError for the first variable that is missing or wrong; its value is never shown."""
    try:
        return Environment()  # type: ignore[call-arg]  # the fields come from the environment
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
