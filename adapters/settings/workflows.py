"""Where a Workflows webhook of Teams may be: hosts of Microsoft's, or those that the operator lists. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from adapters.settings.microsoft import listed
from adapters.settings.variables import web_address

#: Hosts of Power Automate's request triggers: the present ones, and those of flows made before August 2025
#: (learn.microsoft.com/troubleshoot/power-platform/power-automate/flow-run-issues/triggers-troubleshoot).
WORKFLOW_HOSTS = (".environment.api.powerplatform.com", ".logic.azure.com")


def workflow_address(text: str, *, more: str | None) -> str:
    """An address that a card may be posted to; `more` is NOD_TEAMS_WEBHOOK_HOSTS. Raises ValueError, without
    the address: whoever knows it can post there."""
    parts = urlsplit(web_address(text))
    host = (parts.hostname or "").casefold()
    allowed = listed(more)
    if host in allowed or f"{host}:{parts.port}" in allowed:
        return text
    if parts.scheme == "https" and parts.port in (None, 443) and host.endswith(WORKFLOW_HOSTS):
        return text
    raise ValueError("is not on a host of Power Automate's, nor on one of NOD_TEAMS_WEBHOOK_HOSTS")
