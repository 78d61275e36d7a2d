"""The routes of agents, and of what else the client asks for when it deploys one."""

from __future__ import annotations

import uuid
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from adapters.sandbox.platform import wire
from adapters.sandbox.platform.runs import unheard
from adapters.sandbox.platform.sse import RunStream

if TYPE_CHECKING:
    from starlette.requests import Request

    from adapters.sandbox.platform.agents import Agent
    from adapters.sandbox.platform.platform import Platform

_MODEL = {"id": "2f1ad0c6-5a4e-4a53-9f0a-0c5bd0f9c0de", "provider": "openai", "name": "gpt-5-nano"}


class AgentRoutes:
    """Agents: listed, created, shown and run."""

    def __init__(self, platform: Platform) -> None:
        """Of this platform."""
        self._platform = platform

    async def listed(self, request: Request) -> Response:
        """`GET /agents/`, by a part of the `name`."""
        name = request.query_params.get("name", "").lower()
        found = [
            wire.agent_item(agent) for agent in self._platform.agents.values() if name in agent.name.lower()
        ]
        paging = {"total": len(found), "page": 1, "limit": 100, "has_next": False, "has_prev": False}
        return JSONResponse({"success": True, "message": f"{len(found)} agents", "data": found} | paging)

    async def created(self, request: Request) -> Response:
        """`POST /agents/`."""
        try:
            body = wire.AgentBody.model_validate_json(await request.body())
            agent = self._platform.create_agent(body.model_dump())
        except ValidationError as error:
            return wire.invalid_body(error)
        except ValueError as error:
            return wire.envelope(409, "Conflict", str(error))
        return JSONResponse({"success": True, "data": {"id": agent.id}}, 201)

    async def shown(self, request: Request) -> Response:
        """`GET /agents/{id}`."""
        return JSONResponse({"success": True, "data": wire.agent_item(self._named(request))})

    async def run(self, request: Request) -> Response | RunStream:
        """`POST /agents/{id}/run`, as a stream or, with `stream` false, at its end."""
        agent = self._named(request)
        try:
            body = wire.RunBody.model_validate_json(await request.body())
        except ValidationError as error:
            return wire.invalid_body(error)
        run_id = str(uuid.uuid4())
        run = self._platform.run(agent, run_id=run_id)
        if body.stream:
            return RunStream(run, run_id=run_id)
        await run.play(unheard)
        return JSONResponse({"success": True, "data": {"output": agent.final, "run_id": run_id}})

    def _named(self, request: Request) -> Agent:
        agent_id = request.path_params["agent_id"]
        agent = self._platform.agent(agent_id)
        if agent is None:
            raise HTTPException(404, f"Agent '{agent_id}' not found")
        return agent


class CatalogueRoutes:
    """What else the client asks for when it deploys an agent."""

    def __init__(self, platform: Platform) -> None:
        """Of this platform."""
        self._platform = platform

    async def models(self, request: Request) -> Response:
        """`GET /language-models/`, one page."""
        offset = request.query_params.get("offset", "0")
        return JSONResponse({"success": True, "data": [_MODEL] if offset == "0" else []})

    async def tools(self, _: Request) -> Response:
        """`GET /tools/`."""
        names = dict.fromkeys(tool for agent in self._platform.agents.values() for tool in agent.tools)
        return JSONResponse({"success": True, "data": [_tool(name) for name in names]})

    async def upload(self, request: Request) -> Response:
        """`POST /tools/upload`: answered as if the tool were kept."""
        head = f"content-type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
        form = message_from_bytes(head + await request.body())
        if not form.is_multipart():
            return wire.envelope(400, "ValidationError", "A tool is uploaded as multipart/form-data")
        fields: dict[Any, Any] = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in form.walk()
            if not part.is_multipart()
        }
        name = fields.get("name", b"uploaded_tool").decode(errors="replace")
        return JSONResponse({"success": True, "data": _tool(name)}, 201)

    async def mcps(self, _: Request) -> Response:
        """`GET /mcps/`: there are none."""
        return JSONResponse({"success": True, "data": []})


def _tool(name: str) -> dict[str, str]:
    return {"id": name, "name": name, "tool_type": "custom", "framework": "langchain", "description": name}
