"""Who is told under `alerts:` in nod.yaml: channels, and services whose keys the environment has.

`${NAME}` stands for a variable of the environment, in these entries only. What it stands for is in no message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import SecretStr

from adapters.settings.environment import Environment
from adapters.settings.lines import Lines, Place
from adapters.settings.replacing import is_variable, replaced
from adapters.settings.variables import web_address
from adapters.settings.words import destination
from bot.errors import ConfigError
from bot.surface import Destination

Kind = Literal["webhook", "pagerduty", "opsgenie"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: Nod's own variables that an entry of this kind may hold: Opsgenie's key for schedules may be its key for
#: alerts as well.
_SHARED: Mapping[Kind, tuple[str, ...]] = {"opsgenie": ("OPSGENIE_API_KEY",)}

#: An Events API v2 integration key has 32 characters (the API's own error for any other length).
_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")
#: What may stand in a header; Opsgenie's keys are UUIDs.
_API_KEY = re.compile(r"[A-Za-z0-9_-]{16,200}")

#: Of these the key stands in the environment only.
_SECRET: tuple[Kind, ...] = ("pagerduty", "opsgenie")
_FORMS = (
    "Write slack:C0123456789, teams:finance-approvals, webhook:https://host/path,"
    " pagerduty:${PAGERDUTY_ROUTING_KEY} or opsgenie:${OPSGENIE_API_KEY}."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerAddress:
    """A pager beside the chats: its kind, and the address or key that finds it, which nobody is shown."""

    kind: Kind
    value: SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Everybody who is told of alerts, each once, in the file's order."""

    channels: Mapping[Destination, str]  #: with the line where each is first named
    pagers: tuple[PagerAddress, ...]


def alerts_of(entries: list[str], lines: Lines, *, variables: Mapping[str, str] | None = None) -> Told:
    """The entries with their variables replaced; `variables` is the environment unless given.

    Raises ConfigError with the entry's line: a variable that is not set, a key that stands in the file, or
    something that is no pager.
    """
    known = os.environ if variables is None else variables
    channels: dict[Destination, str] = {}
    pagers: dict[tuple[Kind, str], None] = {}
    for index, entry in enumerate(entries):
        place: Place = ("alerts", index)
        one = _alert(entry, place, lines, known)
        if isinstance(one, Destination):
            channels.setdefault(one, lines.where(place))
        else:
            pagers[one] = None
    found = tuple(PagerAddress(kind=kind, value=SecretStr(value)) for kind, value in pagers)
    return Told(channels=channels, pagers=found)


def webhook_secret(environment: Environment, pagers: tuple[PagerAddress, ...]) -> str | None:
    """`NOD_WEBHOOK_SECRET`. Raises ConfigError when it is not set and one of the pagers is a webhook."""
    if environment.webhook_secret is not None:
        return environment.webhook_secret.get_secret_value()
    if any(pager.kind == "webhook" for pager in pagers):
        what = "is not set, and nod.yaml names a webhook under alerts"
        fix = "Set it to the output of `openssl rand -hex 32`: it signs what the webhook is sent."
        raise ConfigError("NOD_WEBHOOK_SECRET", what, fix)
    return None


def _alert(entry: str, place: Place, lines: Lines, known: Mapping[str, str]) -> Destination | tuple[Kind, str]:
    where, named = lines.where(place), ".".join(map(str, place))
    name, _, written = entry.partition(":")
    kind = next((kind for kind in KINDS if kind == name), None)
    if kind in _SECRET and not is_variable(written):
        what = f"{named}: the key of {kind} must be a variable of the environment, as in {kind}:${{NAME}}"
        raise ConfigError(where, what, "Put the key into the environment: this file is read by many.")
    value = replaced(
        written, where=where, named=named, known=known, shared=_SHARED.get(kind, ()) if kind else ()
    )
    try:
        return destination(f"{name}:{value}") if kind is None else (kind, _CHECKS[kind](value))
    except ValueError as error:
        fix = f"Correct it (docs/configuration.md). {_FORMS}"
        behind = "with its variables replaced it " if value != written else ""
        raise ConfigError(where, f"{named}: {behind}{error}", fix) from None


def _routing_key(value: str) -> str:
    if not _ROUTING_KEY.fullmatch(value):
        raise ValueError("must be an Events API v2 integration key of 32 letters and digits")
    return value


def _api_key(value: str) -> str:
    if not _API_KEY.fullmatch(value):
        raise ValueError("must be an API integration's key of letters, digits and hyphens")
    return value


_CHECKS: Mapping[Kind, Callable[[str], str]] = {
    "webhook": web_address,
    "pagerduty": _routing_key,
    "opsgenie": _api_key,
}
