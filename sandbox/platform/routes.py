"""The platform's REST interface, as the real client (glaip-sdk) and the guides use it."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import faults as faulty
from sandbox.platform import wire
from sandbox.platform.catalogue import AgentRoutes, CatalogueRoutes
from sandbox.platform.hitl import HitlRoutes
from sandbox.platform.openapi import document

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from sandbox.faults import Faults
    from sandbox.platform.platform import Platform

#: Paths that need no key.
_OPEN = ("/health-check", "/openapi.json", faulty.CONTROL_PATH)
_ERRORS = {404: "NotFound", 405: "MethodNotAllowed"}


def platform_app(platform: Platform, *, faults: Faults | None = None, controlled: bool = False) -> ASGIApp:
    """The platform over HTTP; with `faults`, behind their rules, and with the routes that control them.

    `controlled` says that the program that mounts it has rules of its own, which the document then names too.
    """
    whole = document(faults=controlled or faults is not None)

    async def described(_: Request) -> Response:
        return JSONResponse(whole)

    hitl, agents, catalogue = HitlRoutes(platform), AgentRoutes(platform), CatalogueRoutes(platform)
    app = Starlette(
        routes=[
            Route("/health-check", _health),
            Route("/openapi.json", described),
            Route("/agents/hitl/pending", hitl.pending),
            Route("/agents/hitl/decision", hitl.decision, methods=["POST"]),
            Route("/agents/hitl/audit", hitl.audit),
            Route("/agents/hitl/audit/{request_id}", hitl.audit_record),
            Route("/agents/", agents.listed),
            Route("/agents/", agents.created, methods=["POST"]),
            Route("/agents/{agent_id}", agents.shown),
            Route("/agents/{agent_id}", agents.deleted, methods=["DELETE"]),
            Route("/agents/{agent_id}/run", agents.run, methods=["POST"]),
            Route("/language-models/", catalogue.models),
            Route("/tools/", catalogue.tools),
            Route("/tools/upload", catalogue.upload, methods=["POST"]),
            Route("/tools/{tool_id}", catalogue.tool),
            Route("/tools/{tool_id}", catalogue.tool_deleted, methods=["DELETE"]),
            Route("/mcps/", catalogue.mcps),
            *([] if faults is None else faulty.routes(faults)),
        ],
        exception_handlers={HTTPException: _http_error},
    )
    keyed = _Keyed(app, api_key=platform.api_key)
    return keyed if faults is None else faults.wrap(keyed)


class _Keyed:
    """Lets in who knows the key."""

    def __init__(self, app: ASGIApp, *, api_key: str) -> None:
        self._app = app
        self._api_key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        key = dict(scope["headers"]).get(b"x-api-key", b"")
        if path in _OPEN or hmac.compare_digest(key, self._api_key):
            await self._app(scope, receive, send)
        elif path.startswith("/agents/hitl/audit"):
            message = "Authentication required to access audit logs"
            await wire.audit_error(401, "unauthorized", message)(scope, receive, send)
        else:
            message = "Invalid or missing API key"
            await wire.envelope(401, "Unauthorized", message)(scope, receive, send)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _http_error(_: Request, error: Exception) -> Response:
    # Starlette calls this for HTTPException only; its signature says Exception.
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "Internal Server Error"
    return wire.envelope(status, _ERRORS.get(status, "Error"), detail)
