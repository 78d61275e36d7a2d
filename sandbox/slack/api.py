"""The HTTP of the Web API: `/api/<method>` with form or JSON, a bearer token, and Slack's way of saying no."""

import hmac
import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox.slack.calls import Asked
from sandbox.slack.errors import RateLimited, SlackError
from sandbox.slack.methods import METHODS, Method
from sandbox.slack.workspace import Call, Workspace


async def _args(request: Request) -> dict[str, Any]:
    body = await request.body()
    args: dict[str, Any] = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            parsed = json.loads(body or b"{}")
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(parsed, dict):
            raise SlackError("json_not_object")
        return {**args, **parsed}
    return {**args, **dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))}


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _check_token(request: Request, *, args: dict[str, Any], workspace: Workspace, method: Method) -> None:
    """Raises SlackError: not_authed, invalid_auth, token_revoked, not_allowed_token_type, missing_scope."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    token = given.strip() if scheme.lower() == "bearer" else str(args.pop("token", ""))
    app = workspace.app
    if not token:
        raise SlackError("not_authed")
    is_bot, is_app = _same(token, app.bot_token), _same(token, app.app_token)
    if not is_bot and not is_app:
        raise SlackError("invalid_auth")
    if workspace.revoked:
        raise SlackError("token_revoked")
    if is_app != method.app_level:
        raise SlackError("not_allowed_token_type")
    granted = app.scopes.split(",")
    if method.scopes and not set(method.scopes) & set(granted):
        raise SlackError("missing_scope", needed=",".join(method.scopes), provided=app.scopes)


def _call(name: str, *, request: Request, args: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    method = METHODS.get(name)
    if method is None:
        raise SlackError("unknown_method", req_method=name)
    _check_token(request, args=args, workspace=workspace, method=method)
    return method.run(Asked(workspace=workspace, args=args))


async def web_api(request: Request, *, workspace: Workspace) -> Response:
    """One call: always HTTP 200 with `ok`, except 429 when too fast. Every call is noted in
    `workspace.calls`."""
    name = request.path_params["method"]
    workspace.base_url = workspace.base_url or str(request.base_url).rstrip("/")
    status, headers, error = 200, {"X-OAuth-Scopes": workspace.app.scopes}, None
    args: dict[str, Any] = {}
    try:
        args = await _args(request)
        answer = {"ok": True, **_call(name, request=request, args=args, workspace=workspace)}
    except SlackError as refused:
        error = refused.code
        answer = {"ok": False, "error": error, **refused.extra}
    except RateLimited as slower:
        status, error = 429, "ratelimited"
        headers["Retry-After"] = str(slower.retry_after)
        answer = {"ok": False, "error": error}
    workspace.calls.append(Call(method=name, args=args, at=workspace.monotonic(), status=status, error=error))
    return JSONResponse(answer, status, headers)


async def response_url(request: Request, *, workspace: Workspace) -> Response:
    """A POST to a response_url: `ok`, or 404 with the reason once it is used up."""
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return PlainTextResponse("invalid_payload", 400)
    try:
        workspace.response_urls.use(request.path_params["key"], body)
    except SlackError as refused:
        gone = refused.code in ("used_url", "expired_url", "message_not_found")
        return JSONResponse({"ok": False, "error": refused.code}, 404 if gone else 400)
    workspace.changes.bump()
    return PlainTextResponse("ok")
