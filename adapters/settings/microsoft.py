"""What the variables of a Teams bot may hold. Pure; a refusal is a ValueError without the value."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

#: An id of Entra's: of a tenant, an app or a person (learn.microsoft.com/graph/api/resources/directoryobject).
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: Hosts, or tenants, in one list.
MOST_LISTED = 50

_HOST = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*(:[0-9]{1,5})?")


def listed(text: str | None) -> tuple[str, ...]:
    """A list as a variable has it: in small letters, with commas between, each once."""
    parts = ((text or "").casefold().split(",")) if text else []
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _app_type(value: object) -> object:
    if value == "UserAssignedMSI":
        raise ValueError(
            "is UserAssignedMSI: Nod signs in with a client secret, which works anywhere; a managed identity"
            " exists on Azure's own machines only"
        )
    if value not in ("SingleTenant", "MultiTenant"):
        raise ValueError("must be SingleTenant or MultiTenant")
    return value


def _hosts(text: str | None) -> str | None:
    return _each(text, _HOST, "must be hosts such as smba.trafficmanager.net, without scheme and path")


def _tenants(text: str | None) -> str | None:
    return _each(text, GUID, "must be tenant ids such as 8f0a5c62-1f0e-4b5b-9d7e-2b6f3a1c9d10")


def _each(text: str | None, form: re.Pattern[str], what: str) -> str | None:
    if text is None:
        return None
    parts = listed(text)
    if not parts or len(parts) > MOST_LISTED or not all(form.fullmatch(part) for part in parts):
        raise ValueError(what)
    return text


#: How the bot is registered (learn.microsoft.com/azure/bot-service/bot-service-quickstart-registration).
AppType = Annotated[Literal["SingleTenant", "MultiTenant"], BeforeValidator(_app_type)]
#: Kept as written; `listed` takes it apart.
Hosts = Annotated[str, AfterValidator(_hosts)]
MaybeHosts = Annotated[str | None, AfterValidator(_hosts)]
Tenants = Annotated[str | None, AfterValidator(_tenants)]
