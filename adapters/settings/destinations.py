"""Where Nod posts by an address from the environment: pagers under `alerts:`, and Workflows webhooks of Teams.

`${NAME}` in these entries, and only there, is replaced by a variable of the environment. It can hold a secret
(an address that anyone who knows it can post to), so its value is in no file and in no message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from adapters.chat.words import CHATS, conversation
from adapters.settings.environment import Environment
from adapters.settings.lines import Lines, Place
from adapters.settings.variables import cleaned, listed, web_address
from adapters.settings.words import destination
from bot.errors import ConfigError
from bot.policy import Policy
from bot.surface import Destination, Surface

#: The settings that Nod itself reads: a person who can edit nod.yaml must not get them sent to a webhook.
NODS_OWN = frozenset(str(field.validation_alias) for field in Environment.model_fields.values())

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SET = "Set it where Nod runs, or remove the entry."


def is_variable(text: str) -> bool:
    """Whether a text is one variable and nothing else."""
    return _VARIABLE.fullmatch(text) is not None


def replaced(
    text: str, *, where: str, named: str, known: Mapping[str, str], shared: Collection[str] = ()
) -> str:
    """A text with its variables replaced by what `known` has; `shared` are Nod's own that may go out here.

    Raises ConfigError with `where` and the setting's name: a variable that is not set, or is Nod's own.
    """
    for name in _names_in(text):
        if not _NAME.fullmatch(name):
            what = f"{named}: ${{…}} does not contain the name of a variable"
            raise ConfigError(where, what, "Write it like ${PAGERDUTY_ROUTING_KEY}.")
        if name in NODS_OWN and name not in shared:
            what = f"{named}: {name} is one of Nod's own settings, which Nod never sends out"
            raise ConfigError(where, what, "Use another variable.")
        if not cleaned(known.get(name, "")):  # an empty one counts as not set, as everywhere
            raise ConfigError(where, f"{named}: {name} is not set in the environment", _SET)
    return _VARIABLE.sub(lambda found: cleaned(known[found[1]]), text)


def _names_in(text: str) -> Iterator[str]:
    yield from _VARIABLE.findall(text)
    if "${" in _VARIABLE.sub("", text):
        yield ""  # opened and not closed


#: Hosts of Power Automate's request triggers: those of flows made before August 2025, and the present ones
#: (learn.microsoft.com/troubleshoot/power-platform/power-automate/flow-run-issues/triggers-troubleshoot).
WORKFLOW_HOSTS = (".logic.azure.com", ".api.powerplatform.com")
_MORE_HOSTS = "NOD_TEAMS_WEBHOOK_HOSTS"
_COPY = "Set the variable to the URL of the flow's trigger."


def workflows_of(
    entries: Mapping[str, str], lines: Lines, *, variables: Mapping[str, str] | None = None
) -> Mapping[str, SecretStr]:
    """The addresses by name; `variables` is the environment unless given.

    Raises ConfigError with the entry's line: a name that no place has, an address written in the file, a
    variable that is not set, or an address elsewhere than at Power Automate.
    """
    known = os.environ if variables is None else variables
    found: dict[str, SecretStr] = {}
    for name, written in entries.items():
        where, named = lines.where(("workflows", name)), f"workflows.{name}"
        _check_name(name, where)
        if not is_variable(written):
            what = f"{named}: the URL must come from an environment variable, as in ${{OPS_FLOW_URL}}"
            raise ConfigError(
                where, what, "Put the URL into an environment variable: many people can read this file."
            )
        value = replaced(written, where=where, named=named, known=known)
        try:
            found[name] = SecretStr(workflow_address(value, more=cleaned(known.get(_MORE_HOSTS, ""))))
        except ValueError as error:
            what = f"{named}: its URL {error}"
            raise ConfigError(where, what, _COPY) from None
    return found


def workflow_address(text: str, *, more: str | None) -> str:
    """An address that a card may be posted to; `more` is NOD_TEAMS_WEBHOOK_HOSTS. Raises ValueError, without
    the address."""
    parts = urlsplit(web_address(text))
    host = (parts.hostname or "").casefold()
    allowed = listed(more)
    if host in allowed or f"{host}:{parts.port}" in allowed:
        return text
    if parts.scheme == "https" and parts.port in (None, 443) and host.endswith(WORKFLOW_HOSTS):
        return text
    raise ValueError(f"is not on a host of Power Automate or of {_MORE_HOSTS}")


def is_workflow(place: Destination, names: Collection[str]) -> bool:
    """Whether a place is one of these workflows: it is told, and nobody can answer there."""
    return place.surface == Surface.TEAMS and place.channel in names


def _check_name(name: str, where: str) -> None:
    """As places name it: otherwise no place would ever lead there."""
    try:
        plain = conversation(name)
    except ValueError:
        plain = ""
    if plain != name:
        what = f"workflows: {name!r} cannot be used as a name after `teams:`"
        raise ConfigError(where, what, "Write it in lower case with hyphens: ops-feed, for teams:ops-feed.")


#: An Events API v2 integration key has 32 characters (the API's own error for any other length).
_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")
#: What may stand in a header; Opsgenie's keys are UUIDs.
_API_KEY = re.compile(r"[A-Za-z0-9_-]{16,200}")


def _key(form: re.Pattern[str], what: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not form.fullmatch(value):
            raise ValueError(f"must be {what}")
        return value

    return check


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """How one kind of pager is named under `alerts:`."""

    example: str
    check: Callable[[str], str]  #: raises ValueError for an address or key that cannot be one
    secret: bool = False  #: its key comes from the environment only
    shared: tuple[str, ...] = ()  #: Nod's own variables that may be sent there


_KINDS: Mapping[str, _Kind] = {
    "webhook": _Kind(example="webhook:https://host/path", check=web_address),
    "pagerduty": _Kind(
        example="pagerduty:${PAGERDUTY_ROUTING_KEY}",
        check=_key(_ROUTING_KEY, "an Events API v2 integration key of 32 letters and digits"),
        secret=True,
    ),
    "opsgenie": _Kind(
        example="opsgenie:${OPSGENIE_API_KEY}",
        check=_key(_API_KEY, "an API integration's key of letters, digits and hyphens"),
        secret=True,
        shared=("OPSGENIE_API_KEY",),  # the key for schedules may be the key for alerts as well
    ),
}
_EXAMPLES = [*(chat.example for chat in CHATS.values()), *(kind.example for kind in _KINDS.values())]
_FORMS = f"Write {', '.join(_EXAMPLES[:-1])} or {_EXAMPLES[-1]}."


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerAddress:
    """A pager beside the chats: its kind, and the address or key that finds it, which nobody is shown."""

    kind: str
    value: SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Everybody who is told of alerts, each once, in the file's order."""

    channels: Mapping[Destination, str]  #: with the line where each is first named
    pagers: tuple[PagerAddress, ...]


def alerts_of(entries: list[str], lines: Lines, *, variables: Mapping[str, str] | None = None) -> Told:
    """The entries with their variables replaced; `variables` is the environment unless given.

    Raises ConfigError with the entry's line: a variable that is not set, a key written in the file, or
    something that is no pager.
    """
    known = os.environ if variables is None else variables
    channels: dict[Destination, str] = {}
    pagers: dict[tuple[str, str], None] = {}
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
        what = "is not set, but nod.yaml names a webhook under alerts"
        fix = "Set it to the output of `openssl rand -hex 32`. Nod signs each webhook message with it."
        raise ConfigError("NOD_WEBHOOK_SECRET", what, fix)
    return None


def _alert(entry: str, place: Place, lines: Lines, known: Mapping[str, str]) -> Destination | tuple[str, str]:
    where, named = lines.where(place), ".".join(map(str, place))
    name, _, written = entry.partition(":")
    kind = _KINDS.get(name)
    if kind is not None and kind.secret and not is_variable(written):
        what = f"{named}: the key of {name} must come from an environment variable, as in {name}:${{NAME}}"
        raise ConfigError(
            where, what, "Put the key into an environment variable: many people can read this file."
        )
    value = replaced(written, where=where, named=named, known=known, shared=kind.shared if kind else ())
    try:
        return destination(f"{name}:{value}") if kind is None else (name, kind.check(value))
    except ValueError as error:
        fix = f"Correct it. {_FORMS}"
        behind = "its value " if value != written else ""
        raise ConfigError(where, f"{named}: {behind}{error}", fix) from None


def check_schedule_keys(environment: Environment, policy: Policy) -> None:
    """Raises ConfigError when the policy names a schedule of a service whose key is not set."""
    kinds = {entry.schedule.kind for entry in policy.oncall.values() if entry.schedule is not None}
    for key, kind, name in (
        (environment.pagerduty_api_key, "pagerduty", "PAGERDUTY_API_KEY"),
        (environment.opsgenie_api_key, "opsgenie", "OPSGENIE_API_KEY"),
    ):
        if kind in kinds and key is None:
            what = f"is not set, but nod.yaml names a {kind} schedule under oncall"
            raise ConfigError(name, what, "Set it to a key that can read schedules, or remove the entry.")
