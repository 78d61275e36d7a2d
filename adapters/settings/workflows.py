"""`workflows:` in nod.yaml: channels of Teams that a webhook posts to, where nobody can answer.

Each is a name and a variable of the environment, which holds the address. The address is a secret: whoever
knows it can post there. So it stands in no file and in no message.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from pydantic import SecretStr

from adapters.settings.lines import Lines
from adapters.settings.microsoft import listed
from adapters.settings.replacing import is_variable, replaced
from adapters.settings.variables import cleaned, web_address
from adapters.settings.words import conversation
from bot.errors import ConfigError
from bot.surface import Destination, Surface

#: Hosts of Power Automate's request triggers: those of flows made before August 2025, and the present ones
#: (learn.microsoft.com/troubleshoot/power-platform/power-automate/flow-run-issues/triggers-troubleshoot).
WORKFLOW_HOSTS = (".logic.azure.com", ".api.powerplatform.com")
_MORE_HOSTS = "NOD_TEAMS_WEBHOOK_HOSTS"
_COPY = "Copy the address of the flow's trigger into the variable (docs/configuration.md)."


def workflows_of(
    entries: Mapping[str, str], lines: Lines, *, variables: Mapping[str, str] | None = None
) -> Mapping[str, SecretStr]:
    """The addresses by name; `variables` is the environment unless given.

    Raises ConfigError with the entry's line: a name that no place has, an address that stands in the file, a
    variable that is not set, or an address elsewhere than at Power Automate.
    """
    known = os.environ if variables is None else variables
    found: dict[str, SecretStr] = {}
    for name, written in entries.items():
        where, named = lines.where(("workflows", name)), f"workflows.{name}"
        _check_name(name, where)
        if not is_variable(written):
            what = f"{named}: the address must be a variable of the environment, as in ${{OPS_FLOW_URL}}"
            raise ConfigError(where, what, "Put the address into the environment: this file is read by many.")
        value = replaced(written, where=where, named=named, known=known)
        try:
            found[name] = SecretStr(workflow_address(value, more=cleaned(known.get(_MORE_HOSTS, ""))))
        except ValueError as error:
            what = f"{named}: with its variable replaced it {error}"
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
    raise ValueError(f"is not on a host of Power Automate's, nor on one of {_MORE_HOSTS}")


def is_workflow(place: Destination, names: Collection[str]) -> bool:
    """Whether a place is one of these workflows: it is told, and nobody can answer there."""
    return place.surface is Surface.TEAMS and place.channel in names


def _check_name(name: str, where: str) -> None:
    """As places name it: otherwise no place would ever lead there."""
    try:
        plain = conversation(name)
    except ValueError:
        plain = ""
    if plain != name:
        what = f"workflows: {name!r} is no name that a place has"
        raise ConfigError(where, what, "Write it small, with hyphens for blanks: ops-feed, for teams:ops-feed.")
