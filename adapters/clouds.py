"""Where each of Microsoft's clouds has the services that a Teams bot and Entra groups need. Pure.

Public and US Government: bot-docs, bot-framework-rest-connector-authentication and
how-to-deploy-gov-cloud-high; China: how-to-deploy-china-cloud. Teams' hosts: msteams-docs,
send-proactive-messages. Graph and login: learn.microsoft.com/graph/deployments and
entra/identity-platform/authentication-national-cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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
    service_hosts: tuple[str, ...]  #: of its Connector; empty where Microsoft does not say
    token_endpoint: str | None = None  #: set in place of the login's own; `{tenant}` is put in

    @property
    def token_url(self) -> str:
        """Where a bot buys its token, with `{tenant}` where the tenant goes."""
        return self.token_endpoint or f"{self.login_url.rstrip('/')}/{{tenant}}/oauth2/v2.0/token"


def _government(*, graph: str, host: str) -> Cloud:
    return Cloud(
        login_url="https://login.microsoftonline.us",
        graph_url=f"https://{graph}/v1.0",
        openid_url="https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
        issuer="https://api.botframework.us",
        scope="https://api.botframework.us/.default",
        bots_tenant="MicrosoftServices.onmicrosoft.us",
        service_hosts=(host,),
    )


PUBLIC = Cloud(
    login_url="https://login.microsoftonline.com",
    graph_url="https://graph.microsoft.com/v1.0",
    openid_url="https://login.botframework.com/v1/.well-known/openidconfiguration",
    issuer="https://api.botframework.com",
    scope="https://api.botframework.com/.default",
    bots_tenant="botframework.com",
    service_hosts=("smba.trafficmanager.net",),
)
CLOUDS: Mapping[CloudName, Cloud] = {
    "Public": PUBLIC,
    "GCCHigh": _government(graph="graph.microsoft.us", host="smba.infra.gov.teams.microsoft.us"),
    "DoD": _government(graph="dod-graph.microsoft.us", host="smba.infra.dod.teams.microsoft.us"),
    "China": Cloud(
        login_url="https://login.partner.microsoftonline.cn",
        graph_url="https://microsoftgraph.chinacloudapi.cn/v1.0",
        openid_url="https://login.botframework.azure.cn/v1/.well-known/openidconfiguration",
        issuer="https://api.botframework.azure.cn",
        scope="https://api.botframework.azure.cn/.default",
        bots_tenant="microsoftservices.partner.onmschina.cn",
        service_hosts=(),
    ),
}
