"""The routes of agents, and of what else the client asks for when it deploys one."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from sandbox.platform import wire
from sandbox.platform.agents import agent_told
from sandbox.platform.runs import unheard
from sandbox.platform.sse import RunStream, played
from sandbox.platform.tools import tool_from

if TYPE_CHECKING:
    from starlette.requests import Request

    from sandbox.platform.agents import Agent
    from sandbox.platform.platform import Platform
    from sandbox.platform.tools import Tool

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
            agent = self._platform.create_agent(json.loads(body.model_dump_json(exclude_unset=True)))
        except ValidationError as error:
            return wire.invalid_body(error)
        except ValueError as error:
            return wire.envelope(409, "Conflict", str(error))
        return JSONResponse({"success": True, "data": {"id": agent.id}}, 201)

    async def shown(self, request: Request) -> Response:
        """`GET /agents/{id}`."""
        return JSONResponse({"success": True, "data": wire.agent_item(self._named(request))})

    async def deleted(self, request: Request) -> Response:
        """`DELETE /agents/{id}`; a run that is under way goes on."""
        del self._platform.agents[self._named(request).name]
        return Response(status_code=204)

    async def run(self, request: Request) -> Response | RunStream:
        """`POST /agents/{id}/run`, as a stream or, with `stream` false, at its end."""
        agent = self._named(request)
        try:
            body = wire.RunBody.model_validate_json(await request.body())
        except ValidationError as error:
            return wire.invalid_body(error)
        run_id = str(uuid.uuid4())
        run = self._platform.run(agent_told(agent, body.input), run_id=run_id)
        if body.stream:
            return RunStream(run, run_id=run_id)
        if not await played(run, unheard, request.receive):
            # Who asked has left and reads no answer, or the runner was restarted.
            return wire.envelope(500, "InternalServerError", "The run was stopped")
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

    async def tools(self, request: Request) -> Response:
        """`GET /tools/`, by `type`: `custom` are those that were uploaded."""
        wanted = request.query_params.get("type")
        shown = [wire.tool_item(tool) for tool in self._platform.tools()]
        listed = [item for item in shown if wanted in (None, item["tool_type"])]
        return JSONResponse({"success": True, "data": listed})

    async def tool(self, request: Request) -> Response:
        """`GET /tools/{id}`."""
        return JSONResponse({"success": True, "data": wire.tool_item(self._tool(request))})

    async def tool_deleted(self, request: Request) -> Response:
        """`DELETE /tools/{id}`, for those that were uploaded; agents that have it keep it."""
        tool = self._tool(request)
        if self._platform.uploaded.pop(tool.name, None) is None:
            return wire.envelope(409, "Conflict", f"Tool '{tool.name}' belongs to a script")
        return Response(status_code=204)

    async def upload(self, request: Request) -> Response:
        """`POST /tools/upload`: 200, 400 for what is no tool, 409 for a name that is taken."""
        try:
            tool = tool_from(request.headers.get("content-type", ""), await request.body())
        except ValueError as error:
            return wire.envelope(400, "ValidationError", str(error))
        try:
            self._platform.upload(tool)
        except ValueError as error:
            return wire.envelope(409, "Conflict", str(error))
        return JSONResponse({"success": True, "data": wire.tool_item(tool)})

    def _tool(self, request: Request) -> Tool:
        tool_id = request.path_params["tool_id"]
        found = next((tool for tool in self._platform.tools() if tool_id in (tool.id, tool.name)), None)
        if found is None:
            raise HTTPException(404, f"Tool '{tool_id}' not found")
        return found

    async def mcps(self, _: Request) -> Response:
        """`GET /mcps/`: there are none."""
        return JSONResponse({"success": True, "data": []})
