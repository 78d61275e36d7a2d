"""The routes of the human in the loop: what waits, the decision, and the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from sandbox.platform import wire

if TYPE_CHECKING:
    from starlette.requests import Request

    from sandbox.platform.platform import Platform


class HitlRoutes:
    """What waits, the decision, and the audit."""

    def __init__(self, platform: Platform) -> None:
        """Of this platform."""
        self._platform = platform

    async def pending(self, _: Request) -> Response:
        """`GET /agents/hitl/pending`."""
        quirks = self._platform.quirks
        items = [wire.pending_item(request, quirks) for request in self._platform.approvals.pending()]
        return JSONResponse({"success": True, "data": items} if quirks.wrapped else items)

    async def decision(self, request: Request) -> Response:
        """`POST /agents/hitl/decision`: 200, 404, 409 or 422."""
        try:
            body = wire.DecisionBody.model_validate_json(await request.body())
        except ValidationError as error:
            return wire.invalid_body(error)
        status = self._platform.decide(body.request_id, body.decision, body.operator_input)
        if status == 404:
            return wire.envelope(404, "NotFound", f"No pending approval request with id '{body.request_id}'")
        if status == 409:
            return wire.envelope(409, "Conflict", f"Request {body.request_id} was already decided")
        return JSONResponse({"status": "ok", "message": f"Request {body.request_id} {body.decision}"})

    async def audit(self, request: Request) -> Response:
        """`GET /agents/hitl/audit`."""
        self._need_audit()
        given = request.query_params
        try:
            query = wire.AuditQuery.model_validate(dict(given))
        except ValidationError as error:
            return wire.invalid_query(error, given)
        if query.start_date and query.end_date and query.start_date >= query.end_date:
            message = "Invalid date range: start_date must be before end_date"
            dates = {"start_date": given["start_date"], "end_date": given["end_date"]}
            return wire.audit_error(400, "validation_error", message, **dates)
        # The audit's guide asks for the agent's UUID and shows the slug: both find it.
        agent = None if query.agent_id is None else self._platform.agent(query.agent_id)
        query = query if agent is None else query.model_copy(update={"agent_id": agent.slug})
        found = [end for end in self._platform.approvals.audit if query.covers(end)]
        if query.sort_order == "desc":
            found.reverse()
        first = (query.page - 1) * query.limit
        shown = [wire.audit_item(end) for end in found[first : first + query.limit]]
        return JSONResponse(
            {
                "success": True,
                "message": f"Successfully retrieved {len(shown)} of {len(found)} HITL audit records",
                "data": shown,
                "total": len(found),
                "page": query.page,
                "limit": query.limit,
                "has_next": first + query.limit < len(found),
                "has_prev": query.page > 1,
            }
        )

    async def audit_record(self, request: Request) -> Response:
        """`GET /agents/hitl/audit/{request_id}`."""
        self._need_audit()
        request_id = request.path_params["request_id"]
        ends = reversed(self._platform.approvals.audit)
        end = next((end for end in ends if end.request.request_id == request_id), None)
        if end is None:
            return wire.audit_error(404, "not_found", f"No audit record for request '{request_id}'")
        message = "Successfully retrieved HITL audit record"
        return JSONResponse({"success": True, "message": message, "data": wire.audit_item(end)})

    def _need_audit(self) -> None:
        if not self._platform.quirks.audited:
            raise HTTPException(404, "Not Found")
