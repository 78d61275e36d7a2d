"""The page of the local Teams at `/teams`, with its own little API under `/teams/ui/`."""

import time
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox.page.routes import HEADERS, taking
from sandbox.page.stream import news
from sandbox.platform.platform import Platform
from sandbox.teams.delivery import DeliveryResult
from sandbox.teams.errors import CannotDo
from sandbox.teams.messages import Message
from sandbox.teams.picture import picture
from sandbox.teams.tenant import Teams

STATIC = Path(__file__).parent / "static"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    viewer: str


class _OnMessage(_Body):
    place: str
    id: str


class PressBody(_OnMessage):
    """A button of a card was pressed."""

    press: int
    values: dict[str, str] = {}


class RefreshBody(_OnMessage):
    """The client refreshes a card, or a person asks it to."""

    automatic: bool


class SubmitBody(_Body):
    """A button of the open dialog was pressed."""

    press: int
    values: dict[str, str] = {}


class CloseBody(_Body):
    """The open dialog was closed."""


class SayBody(_Body):
    """Someone wrote a message."""

    place: str
    text: Annotated[str, Field(min_length=1, max_length=4000)]
    root: str | None = None


def _seen(result: DeliveryResult | None) -> Response:
    """What the person gets to see of a delivery."""
    if result is None:
        return JSONResponse({"shown": "", "told": ""})
    return JSONResponse({"shown": result.shown, "told": result.told, "took": result.took})


def _message(teams: Teams, body: _OnMessage) -> Message:
    for message in teams.messages(body.place):
        if message.id == body.id:
            return message
    raise CannotDo(f"there is no message {body.id}")


def _user_actions(teams: Teams) -> list[BaseRoute]:
    async def press(body: PressBody) -> Response:
        message = _message(teams, body)
        return _seen(await teams.press(body.viewer, message, inputs=body.values, index=body.press))

    async def refresh(body: RefreshBody) -> Response:
        return _seen(await teams.refresh(body.viewer, _message(teams, body), automatic=body.automatic))

    async def submit(body: SubmitBody) -> Response:
        return _seen(await teams.submit(body.viewer, body.values, index=body.press))

    async def close(body: CloseBody) -> Response:
        teams.close(body.viewer)
        return _seen(None)

    async def say(body: SayBody) -> Response:
        await teams.events.say(body.viewer, body.place, body.text, root=body.root)
        return _seen(None)

    return [
        Route("/teams/ui/press", taking(PressBody, press), methods=["POST"]),
        Route("/teams/ui/refresh", taking(RefreshBody, refresh), methods=["POST"]),
        Route("/teams/ui/submit", taking(SubmitBody, submit), methods=["POST"]),
        Route("/teams/ui/close", taking(CloseBody, close), methods=["POST"]),
        Route("/teams/ui/say", taking(SayBody, say), methods=["POST"]),
    ]


def teams_page_routes(teams: Teams, platform: Platform | None = None) -> list[BaseRoute]:
    """The page, its files at `/teams/static/`, its API at `/teams/ui/…`; its frame is the other page's.

    The agents of the `platform` are listed beside the chat; they are started by the other page's API.
    """

    async def index(request: Request) -> Response:
        return FileResponse(STATIC / "teams.html", headers=HEADERS)

    async def state(request: Request) -> Response:
        viewer = request.query_params.get("viewer", "")
        if viewer not in teams.people:
            return JSONResponse({"problem": "there is no such person"}, 404)
        return JSONResponse(picture(teams, viewer=viewer), headers={"Cache-Control": "no-store"})

    async def stream(request: Request) -> Response:
        events = news(teams.changes, platform=platform, now=time.time(), other=platform is not None)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    return [
        Route("/teams", index, methods=["GET"]),
        Route("/teams/ui/state", state, methods=["GET"]),
        Route("/teams/ui/stream", stream, methods=["GET"]),
        *_user_actions(teams),
        Mount("/teams/static", StaticFiles(directory=STATIC)),
    ]
