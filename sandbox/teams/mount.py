"""The routes of the local Teams: Connector, OpenID metadata, signing keys, and the token endpoint."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.teams.api import connector_routes
from sandbox.teams.tenant import Teams


def teams_routes(teams: Teams) -> list[BaseRoute]:
    """Everything under `/teams/…`; put it on one port with the local Slack, the page and the platform."""

    async def metadata(request: Request) -> Response:
        keys_url = f"{teams.base_url}/teams/openid/v1/.well-known/keys"
        return await teams.identity.metadata(request, keys_url=keys_url)

    return [
        *connector_routes(teams.connector, entra=teams.entra, note=teams.note, prefix="/teams"),
        Route("/teams/openid/v1/.well-known/openidconfiguration", metadata, methods=["GET"]),
        Route("/teams/openid/v1/.well-known/keys", teams.identity.keys, methods=["GET"]),
        Route("/teams/login/{tenant}/oauth2/v2.0/token", teams.tokens.answer, methods=["POST"]),
    ]
