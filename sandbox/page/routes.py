"""The page and its own little API under `/ui/`: what a person sees, does, and what the agents do."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox.page import wire
from sandbox.page.picture import picture
from sandbox.page.stream import news
from sandbox.platform.platform import Platform
from sandbox.slack.delivery import DeliveryResult
from sandbox.slack.errors import CannotDo, SlackError
from sandbox.slack.workspace import Workspace

STATIC = Path(__file__).parent / "static"
#: Nothing from elsewhere, no inline script or style, no frame around it.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

Body = TypeVar("Body", bound=BaseModel)
Endpoint = Callable[[Request], Awaitable[Response]]


def _problem(status: int, text: str) -> Response:
    return JSONResponse({"problem": text}, status)


def _seen(result: DeliveryResult | None) -> Response:
    """What the person gets to see of a delivery."""
    if result is None:
        return JSONResponse({"shown": "", "errors": {}, "took": 0})
    return JSONResponse({"shown": result.shown, "errors": dict(result.errors), "took": result.took})


def taking(model: type[Body], act: Callable[[Body], Awaitable[Response]]) -> Endpoint:
    """A POST endpoint for JSON of the shape `model`, from this page only: another site's form is refused."""

    async def endpoint(request: Request) -> Response:
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
            return _problem(403, "another site may not act here")
        if not request.headers.get("content-type", "").startswith("application/json"):
            return _problem(415, "JSON only")
        try:
            return await act(model.model_validate_json(await request.body()))
        except ValidationError as error:
            return _problem(422, str(error))
        except (CannotDo, SlackError) as error:
            return _problem(409, str(error))

    return endpoint


def _user_actions(workspace: Workspace) -> list[BaseRoute]:
    async def click(body: wire.ClickBody) -> Response:
        pressed = body.model_dump(exclude={"viewer"})
        return _seen(await workspace.click(user=body.viewer, **pressed))

    async def view_click(body: wire.ViewClickBody) -> Response:
        pressed = body.model_dump(exclude={"viewer"})
        return _seen(await workspace.click_in_view(user=body.viewer, **pressed))

    async def submit(body: wire.SubmitBody) -> Response:
        return _seen(await workspace.submit(user=body.viewer, view_id=body.view_id, values=body.values))

    async def close(body: wire.CloseBody) -> Response:
        return _seen(await workspace.close(user=body.viewer, view_id=body.view_id))

    async def say(body: wire.SayBody) -> Response:
        message = workspace.say(
            user=body.viewer, channel=body.channel, text=body.text, thread_ts=body.thread_ts
        )
        return JSONResponse({"ts": message.ts})

    return [
        Route("/ui/click", taking(wire.ClickBody, click), methods=["POST"]),
        Route("/ui/view/click", taking(wire.ViewClickBody, view_click), methods=["POST"]),
        Route("/ui/view/submit", taking(wire.SubmitBody, submit), methods=["POST"]),
        Route("/ui/view/close", taking(wire.CloseBody, close), methods=["POST"]),
        Route("/ui/say", taking(wire.SayBody, say), methods=["POST"]),
    ]


def page_routes(*, workspace: Workspace, platform: Platform, with_teams: bool = False) -> list[BaseRoute]:
    """The page at `/` (and at permalinks), its files at `/static/`, its API at `/ui/…`; `with_teams` leads to
    `/teams` from there.
    """

    async def index(request: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers=HEADERS)

    async def state(request: Request) -> Response:
        viewer = request.query_params.get("viewer", "")
        if viewer not in workspace.people:
            return _problem(404, "there is no such person")
        return JSONResponse(picture(workspace, viewer=viewer), headers={"Cache-Control": "no-store"})

    async def stream(request: Request) -> Response:
        events = news(workspace.changes, platform=platform, now=time.time(), other=with_teams)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    async def start(body: wire.StartBody) -> Response:
        if body.agent not in platform.agents:
            return _problem(404, "there is no such agent")
        return JSONResponse({"run_id": platform.start(body.agent, timeout_seconds=body.seconds)})

    return [
        Route("/", index, methods=["GET"]),
        Route("/archives/{channel}/{message}", index, methods=["GET"]),
        Route("/ui/state", state, methods=["GET"]),
        Route("/ui/stream", stream, methods=["GET"]),
        Route("/ui/agents/start", taking(wire.StartBody, start), methods=["POST"]),
        *_user_actions(workspace),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
