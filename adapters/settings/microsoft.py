"""What the variables of a Teams bot may hold, and where each of Microsoft's clouds has its services. Pure.

Public and US Government: bot-docs, bot-framework-rest-connector-authentication and
how-to-deploy-gov-cloud-high; China: how-to-deploy-china-cloud. Teams' hosts: msteams-docs,
send-proactive-messages. Graph and login: learn.microsoft.com/graph/deployments and
entra/identity-platform/authentication-national-cloud."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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


CloudName = Literal["Public", "GCCHigh", "DoD", "China"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One cloud's addresses; those of the login and of Graph without what follows the tenant or the version."""

    login_url: str
    graph_url: str
    openid_url: str  #: of the keys with which its Teams signs
    issuer: str  #: that its Teams names in tokens
    scope: str  #: for which a bot buys its token
    bots_tenant: str  #: in which multi-tenant bots are at home
    service_hosts: str | None  #: of its Connector; None where Microsoft does not say


def _government(*, graph: str, host: str) -> Cloud:
    return Cloud(
        login_url="https://login.microsoftonline.us",
        graph_url=f"https://{graph}/v1.0",
        openid_url="https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
        issuer="https://api.botframework.us",
        scope="https://api.botframework.us/.default",
        bots_tenant="MicrosoftServices.onmicrosoft.us",
        service_hosts=host,
    )


CLOUDS: Mapping[CloudName, Cloud] = {
    "Public": Cloud(
        login_url="https://login.microsoftonline.com",
        graph_url="https://graph.microsoft.com/v1.0",
        openid_url="https://login.botframework.com/v1/.well-known/openidconfiguration",
        issuer="https://api.botframework.com",
        scope="https://api.botframework.com/.default",
        bots_tenant="botframework.com",
        service_hosts="smba.trafficmanager.net",
    ),
    "GCCHigh": _government(graph="graph.microsoft.us", host="smba.infra.gov.teams.microsoft.us"),
    "DoD": _government(graph="dod-graph.microsoft.us", host="smba.infra.dod.teams.microsoft.us"),
    "China": Cloud(
        login_url="https://login.partner.microsoftonline.cn",
        graph_url="https://microsoftgraph.chinacloudapi.cn/v1.0",
        openid_url="https://login.botframework.azure.cn/v1/.well-known/openidconfiguration",
        issuer="https://api.botframework.azure.cn",
        scope="https://api.botframework.azure.cn/.default",
        bots_tenant="microsoftservices.partner.onmschina.cn",
        service_hosts=None,
    ),
}
