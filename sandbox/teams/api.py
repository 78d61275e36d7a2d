"""The HTTP of the Bot Connector: `/v3/conversations…` with a bearer token, and its way of saying no."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.teams.connector import PAGE_MOST, Connector
from sandbox.teams.errors import ConnectorError, bad
from sandbox.teams.limits import check_size
from sandbox.teams.tokens import Entra


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the Connector as it came in, whatever became of it."""

    operation: str
    path: str
    body: dict[str, Any] = field(repr=False)
    at: float  #: seconds of the monotonic clock
    status: int
    code: str = ""  #: the error code of a refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call, its parameters read."""

    path: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]

    @property
    def conversation(self) -> str:
        """The id of the conversation in the path."""
        return self.path["conversation"]


Operation = Callable[[Connector, Asked], tuple[int, Any]]


def _page(connector: Connector, asked: Asked) -> tuple[int, Any]:
    size = asked.query.get("pageSize", str(PAGE_MOST))
    if not size.isdecimal():
        raise bad("pageSize must be a number.")
    token = asked.query.get("continuationToken") or None
    return 200, connector.page(asked.conversation, size=int(size), token=token)


def _delete(connector: Connector, asked: Asked) -> tuple[int, Any]:
    connector.delete(asked.conversation, asked.path["activity"])
    return 200, None


#: Operation, method, path, and what it does: the status and the JSON of a good answer.
OPERATIONS: tuple[tuple[str, str, str, Operation], ...] = (
    ("create", "POST", "/v3/conversations", lambda c, a: (201, c.create(a.body))),
    (
        "send",
        "POST",
        "/v3/conversations/{conversation}/activities",
        lambda c, a: (201, c.send(a.conversation, a.body)),
    ),
    (
        "reply",
        "POST",
        "/v3/conversations/{conversation}/activities/{activity}",
        lambda c, a: (201, c.send(a.conversation, a.body)),
    ),
    (
        "update",
        "PUT",
        "/v3/conversations/{conversation}/activities/{activity}",
        lambda c, a: (200, c.update(a.conversation, a.path["activity"], a.body)),
    ),
    ("delete", "DELETE", "/v3/conversations/{conversation}/activities/{activity}", _delete),
    (
        "members",
        "GET",
        "/v3/conversations/{conversation}/members",
        lambda c, a: (200, c.members(a.conversation)),
    ),
    (
        "member",
        "GET",
        "/v3/conversations/{conversation}/members/{member}",
        lambda c, a: (200, c.member(a.conversation, a.path["member"])),
    ),
    ("page", "GET", "/v3/conversations/{conversation}/pagedmembers", _page),
    ("channels", "GET", "/v3/teams/{team}/conversations", lambda c, a: (200, c.channels(a.path["team"]))),
)


async def _body(request: Request) -> dict[str, Any]:
    """Raises ConnectorError: 400 for what is not a JSON object, 413 for too much."""
    if request.method not in ("POST", "PUT"):
        return {}
    text = (await request.body()).decode("utf-8", "replace")
    check_size(text)
    try:
        parsed = json.loads(text)
    except ValueError:
        raise bad("The request body is not JSON.") from None
    if not isinstance(parsed, dict):
        raise bad("The request body is not an object.")
    return parsed


def connector_routes(
    connector: Connector, *, entra: Entra, note: Callable[..., None], prefix: str
) -> list[BaseRoute]:
    """The routes under `prefix`; `note(operation=…, path=…, body=…, status=…, code=…)` hears of each call."""

    def route(name: str, method: str, path: str, operation: Operation) -> Route:
        async def endpoint(request: Request) -> Response:
            body: dict[str, Any] = {}
            code, headers = "", {}
            try:
                entra.check(request.headers.get("authorization", ""))
                body = await _body(request)
                asked = Asked(path=request.path_params, query=dict(request.query_params), body=body)
                status, answer = operation(connector, asked)
            except ConnectorError as refused:
                status, answer, headers, code = refused.status, refused.body, refused.headers, refused.code
            note(operation=name, path=request.url.path, body=body, status=status, code=code)
            return Response(status_code=status) if answer is None else JSONResponse(answer, status, headers)

        return Route(f"{prefix}{path}", endpoint, methods=[method])

    return [route(*row) for row in OPERATIONS]
