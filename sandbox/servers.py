"""The whole sandbox on one port: the platform, the local Slack and Teams, pages, and faults on request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from sandbox import faults as fault_control
from sandbox.faults import Faults
from sandbox.page.routes import page_routes
from sandbox.platform import Platform, open_platform, platform_app
from sandbox.serve import serve
from sandbox.slack.mount import slack_routes
from sandbox.slack.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from sandbox.teams.tenant import Teams

#: What the sandbox platform takes as its key. Not a secret: it opens nothing but the sandbox.
API_KEY = "sandbox-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A served sandbox and its controls."""

    url: str
    platform: Platform
    workspace: Workspace
    faults: Faults
    teams: Teams | None = None  #: only where it was asked for

    def environment(self) -> dict[str, str]:
        """The settings by which `nod run` works against this sandbox."""
        app = self.workspace.app
        teams = {} if self.teams is None else teams_environment(self.teams)
        return {
            **teams,
            "AIP_API_URL": self.url,
            "AIP_API_KEY": API_KEY,
            "SLACK_API_URL": f"{self.url}/api/",
            "SLACK_BOT_TOKEN": app.bot_token,
            "SLACK_SIGNING_SECRET": app.signing_secret,
        }


def teams_environment(teams: Teams) -> dict[str, str]:
    """The settings by which `nod run` works against the local Teams."""
    return {
        "MicrosoftAppId": teams.bot.app_id,
        "MicrosoftAppPassword": teams.bot.password,
        "MicrosoftAppTenantId": teams.bot.tenant,
        "NOD_TEAMS_OPENID_URL": teams.openid_url,
        "NOD_TEAMS_TOKEN_URL": teams.token_url,
        "NOD_TEAMS_SERVICE_HOSTS": urlsplit(teams.service_url).netloc,
    }


@asynccontextmanager
async def open_sandbox(
    *,
    port: int = 0,
    request_url: str | None = None,
    post_burst: int | None = 3,
    updates_a_minute: int | None = None,
    with_teams: bool = False,
) -> AsyncIterator[Sandbox]:
    """Serve everything on loopback until closed; Teams only where wanted, because its keys take a fifth of a
    second. Raises OSError when the port is taken.
    """
    faults = Faults()
    async with (
        open_platform(api_key=API_KEY) as platform,
        open_workspace(
            request_url=request_url, post_burst=post_burst, updates_a_minute=updates_a_minute
        ) as workspace,
        _teams(platform, wanted=with_teams) as (teams, teams_routes),
    ):
        app = Starlette(
            routes=[
                *page_routes(workspace=workspace, platform=platform, with_teams=with_teams),
                *slack_routes(workspace),
                *teams_routes,
                *fault_control.routes(faults),
                Mount("/", platform_app(platform, controlled=True)),
            ]
        )
        async with serve(faults.wrap(app), port=port) as url:
            if teams is not None:
                teams.base_url = url
            yield Sandbox(url=url, platform=platform, workspace=workspace, faults=faults, teams=teams)


@asynccontextmanager
async def _teams(platform: Platform, *, wanted: bool) -> AsyncIterator[tuple[Teams | None, list[BaseRoute]]]:
    """The local Teams and its routes; what it needs is imported only where it is wanted."""
    if not wanted:
        yield None, []
        return
    from sandbox.teams.mount import teams_routes
    from sandbox.teams.page import teams_page_routes
    from sandbox.teams.tenant import open_teams

    async with open_teams() as teams:
        yield teams, [*teams_page_routes(teams, platform), *teams_routes(teams)]
