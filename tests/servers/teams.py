"""The local Teams served on a port, for tests: the tenant, its faults, and the addresses that a bot needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from starlette.applications import Starlette

from sandbox.faults import Faults, Rule
from sandbox.serve import serve
from sandbox.teams.errors import ConnectorError
from sandbox.teams.keys import new_keys
from sandbox.teams.mount import teams_routes
from sandbox.teams.tenant import Teams, open_teams


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsServer:
    """A served local Teams and its controls."""

    url: str
    teams: Teams
    faults: Faults

    def fails(
        self, status: int, *, times: int = 1, path: str = "/teams/v3/*", method: str = "*", **more: Any
    ) -> Rule:
        """The Connector answers an error for a while; `after=True` does the thing and loses the answer."""
        error = ConnectorError(status, retry_after=more.pop("retry_after", None))
        return self.faults.add(
            method=method, path=path, times=times, status=status, body=error.body, headers=error.headers, **more
        )


#: Keys are made once for all tests of a process: making a pair takes a fifth of a second.
shared_keys = cache(new_keys)


@asynccontextmanager
async def serve_teams(**more: Any) -> AsyncIterator[TeamsServer]:
    """Serve a local Teams on loopback; `more` goes to `open_teams`."""
    faults = Faults()
    async with open_teams(**{"keys": shared_keys(), **more}) as teams:
        app = Starlette(routes=teams_routes(teams))
        async with serve(faults.wrap(app)) as url:
            teams.base_url = url
            yield TeamsServer(url=url, teams=teams, faults=faults)
