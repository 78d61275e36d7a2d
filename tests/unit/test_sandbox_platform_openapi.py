"""The sandbox's OpenAPI document says what the sandbox does: each route, and the answers as they come."""

from __future__ import annotations

import re
from typing import Any

import httpx
import jsonschema
import pytest
from jsonschema import Draft202012Validator

from sandbox.faults import CONTROL_PATH, Faults
from sandbox.platform import Platform, Quirks, open_platform, platform_app
from sandbox.platform.openapi import document
from sandbox.platform.routes import _Keyed
from tests.contract.openapi_rig import checked_schemas

KEY = "key-hunter2"
Call = tuple[str, str, Any, int]

CALLS: list[Call] = [
    ("GET", "/health-check", None, 200),
    ("GET", "/openapi.json", None, 200),
    ("GET", "/agents/hitl/pending", None, 200),
    ("POST", "/agents/hitl/decision", {"request_id": "{first}", "decision": "approved"}, 200),
    ("POST", "/agents/hitl/decision", {"request_id": "{decided}", "decision": "skipped"}, 409),
    ("POST", "/agents/hitl/decision", {"request_id": "nobody", "decision": "skipped"}, 404),
    ("POST", "/agents/hitl/decision", {"request_id": "{first}", "decision": "maybe"}, 422),
    ("POST", "/agents/hitl/decision", "{", 422),
    ("GET", "/agents/hitl/audit", None, 200),
    ("GET", "/agents/hitl/audit?page=1&limit=1&sort_order=asc&decision_type=rejected", None, 200),
    ("GET", "/agents/hitl/audit?limit=101", None, 400),
    ("GET", "/agents/hitl/audit?decision_type=pending", None, 400),
    ("GET", "/agents/hitl/audit?start_date=2026-02-02T00:00:00Z&end_date=2026-01-01T00:00:00Z", None, 400),
    ("GET", "/agents/hitl/audit/{decided}", None, 200),
    ("GET", "/agents/hitl/audit/nobody", None, 404),
    ("GET", "/agents/?name=mail", None, 200),
    ("POST", "/agents/", {"name": "new_agent", "hitl_enabled": True}, 201),
    ("POST", "/agents/", {"name": "mail_agent"}, 409),
    ("POST", "/agents/", {}, 422),
    ("POST", "/agents/", {"name": "new_agent", "tools": 5}, 422),
    ("GET", "/agents/mail_agent", None, 200),
    ("GET", "/agents/nobody", None, 404),
    ("POST", "/agents/nobody/run", {"input": "x"}, 404),
    ("POST", "/agents/mail_agent/run", {}, 422),
    ("GET", "/language-models/?offset=0&limit=1000", None, 200),
    ("GET", "/tools/", None, 200),
    ("POST", "/tools/upload", "no form", 400),
    ("GET", "/mcps/", None, 200),
]


async def answer(platform: Platform, call: Call, ids: dict[str, str], *, key: str = KEY) -> httpx.Response:
    """What a served platform answers."""
    method, path, body, _ = call
    transport = httpx.ASGITransport(app=platform_app(platform))
    async with httpx.AsyncClient(transport=transport, base_url="http://platform") as client:
        filled = (
            {name: ids.get(value, value) for name, value in body.items()} if isinstance(body, dict) else body
        )
        content = {"json": filled} if isinstance(body, dict) else {"content": body}
        url = path.replace("{decided}", ids["{decided}"])
        return await client.request(method, url, headers={"X-API-Key": key}, **content)


def schema_of(method: str, path: str, status: int) -> Any:
    """The schema of this answer; a path without parameters comes first, as in the routes."""
    asked = path.partition("?")[0]
    fitting = [one for one in document()["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one), asked)]
    operation = document()["paths"][min(fitting, key=lambda one: one.count("{"))][method.lower()]
    return operation["responses"][str(status)]["content"]["application/json"]["schema"]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]} {call[1]} {call[3]}")
@pytest.mark.parametrize("quirks", [Quirks(), Quirks(wrapped=True, previews=True)], ids=["plain", "wrapped"])
async def test_answers_are_as_documented(call: Call, quirks: Quirks) -> None:
    """Each route, answered well or badly, in the documented shape."""
    async with open_platform(api_key=KEY, quirks=quirks) as platform:
        ids = {
            "{first}": platform.ask(arguments={"n": 1}),
            "{decided}": platform.ask(arguments={"text": "x" * 3000}),
        }
        platform.decide(ids["{decided}"], "rejected", "no")

        said = await answer(platform, call, ids)

    assert call[3] == said.status_code
    jsonschema.validate(said.json(), schema_of(*call[:2], call[3]), cls=Draft202012Validator)


@pytest.mark.parametrize("path", [path for path in document()["paths"] if "{" not in path])
async def test_only_two_routes_are_open(path: str) -> None:
    """Without the key everything but the health check and this document is refused, in the documented shape."""
    operations = document()["paths"][path]
    method = next(iter(operations))
    async with open_platform(api_key=KEY) as platform:
        said = await answer(platform, (method.upper(), path, None, 0), {"{decided}": ""}, key="wrong")

    if operations[method].get("security") == []:
        assert 200 == said.status_code
    else:
        assert 401 == said.status_code
        jsonschema.validate(said.json(), schema_of(method, path, 401), cls=Draft202012Validator)


async def test_every_route_is_in_the_document() -> None:
    """No route without its operation, and no operation without its route."""
    async with open_platform(api_key=KEY) as platform:
        keyed = platform_app(platform)
        assert isinstance(keyed, _Keyed)
        routes = {
            (route.path, method.lower())
            for route in keyed._app.routes  # type: ignore[attr-defined]  # it is a Starlette
            for method in route.methods - {"HEAD"}
        }

    assert routes == {
        (path, method) for path, operations in document()["paths"].items() for method in operations
    }


def test_the_schemas_are_schemas() -> None:
    """Whatever reads the document finds valid JSON Schema in it."""
    assert 40 < checked_schemas(document())


async def test_the_faults_are_described_where_they_are() -> None:
    """The document names the control routes, and their fields, where rules are in force."""
    async with open_platform(api_key=KEY) as platform:
        for app, described in (
            (platform_app(platform), False),
            (platform_app(platform, faults=Faults()), True),
            (platform_app(platform, controlled=True), True),
        ):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://platform") as client:
                paths = (await client.get("/openapi.json")).json()["paths"]
                assert described is (CONTROL_PATH in paths)
        assert {"get", "post", "delete"} == set(paths[CONTROL_PATH])

        app = platform_app(platform, faults=Faults())
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://platform"
        ) as client:
            for content, status in (('[{"status": 503, "times": 1}]', 200), ('[{"statsu": 1}]', 422)):
                answer = await client.post(CONTROL_PATH, content=content)
                assert status == answer.status_code
                schema = paths[CONTROL_PATH]["post"]["responses"][str(status)]["content"]["application/json"]
                jsonschema.validate(answer.json(), schema["schema"], cls=Draft202012Validator)
