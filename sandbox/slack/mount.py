"""The routes of the local Slack: the Web API, response_urls and the Socket Mode websocket."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from sandbox.slack import api
from sandbox.slack.workspace import Workspace


def slack_routes(workspace: Workspace) -> list[BaseRoute]:
    """`/api/<method>`, `/actions/<team>/<key>` and `/socket`; put them on one port with the page and the
    platform.

    `SLACK_API_URL` for the app is then `<base>/api/`.
    """

    async def web_api(request: Request) -> Response:
        return await api.web_api(request, workspace=workspace)

    async def response_url(request: Request) -> Response:
        return await api.response_url(request, workspace=workspace)

    return [
        Route("/api/{method}", web_api, methods=["GET", "POST"]),
        Route("/actions/{team}/{key}", response_url, methods=["POST"]),
        WebSocketRoute("/socket", workspace.sockets.endpoint),
    ]
