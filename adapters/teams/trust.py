"""Where an activity says that it comes from: channel, service address and tenant. Pure.

Apart from the tokens, so that nothing needs a token library to say no.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.teams.hosts import is_service
from adapters.teams.payloads import tenants_in

#: The only channel whose activities Nod takes; the key of a token must be endorsed for it.
CHANNEL = "msteams"


class Untrusted(Exception):
    """Not from Teams, or not meant for us: the HTTP status to answer with, and the cause, never content."""

    def __init__(self, status: int, cause: str) -> None:
        super().__init__(cause)
        self.status = status


def check_place(activity: Mapping[str, Any], *, hosts: tuple[str, ...], tenants: frozenset[str]) -> None:
    """Channel, service address and tenant of an activity, signed or not. Raises Untrusted 403."""
    if activity.get("channelId") != CHANNEL:
        raise Untrusted(403, "not from Teams")
    service_url = activity.get("serviceUrl")
    if not isinstance(service_url, str) or not is_service(service_url, hosts):
        raise Untrusted(403, "the service address is not on the list")
    named = tenants_in(activity)
    if len(named) != 1 or not named <= tenants:
        raise Untrusted(403, "no tenant of ours, or more than one")
