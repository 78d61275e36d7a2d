"""The front's own document: the routes that exist, and what the front itself answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema
import pytest
from jsonschema import Draft202012Validator

from adapters.chat.endpoint import endpoint_of
from adapters.relay import WAKE_PATH, WakeEndpoint
from adapters.teams.receive import operation, schemes
from adapters.web import LARGEST_BODY, document, front
from bot.ports import NO_METRICS
from sandbox.serve import serve
from tests.contract.openapi_rig import checked_schemas
from tests.servers.system import open_system

ASKED = ["/healthz", "/readyz", "/metrics", "/openapi.json"]


def door() -> WakeEndpoint:
    return WakeEndpoint("0123456789abcdef" * 2, poll=lambda: None, metrics=NO_METRICS)


def answers(found: Mapping[str, Any], path: str) -> set[int]:
    (one,) = found["paths"][path].values()
    return {int(status) for status in one["responses"]}


async def test_only_doors_that_are_there_are_described(tmp_path: Path) -> None:
    """Without a token for the relay and without Teams neither is in the document, nor its security scheme."""
    async with open_system(tmp_path) as system, httpx.AsyncClient() as client:
        assert system.nod is not None
        found = (await client.get(f"{system.nod.address}/openapi.json")).json()

    assert [*ASKED, "/slack/events"] == list(found["paths"])
    assert {"slack_signature", "slack_timestamp"} == set(found["components"]["securitySchemes"])
    assert answers(found, "/slack/events") == {200, 400, 401, 408, 413, 503}


@pytest.mark.parametrize("troubles", [[], ["no good poll"]], ids=["well", "in trouble"])
async def test_health_is_answered_as_documented(troubles: list[str]) -> None:
    """200 or 503, each in its own shape."""
    app = front(
        receivers={}, troubles=lambda: troubles, health=lambda: troubles, metrics=lambda: (b"", "text/plain")
    )
    async with serve(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        for path in ("/healthz", "/readyz"):
            said = await client.get(path)
            described = document({})["paths"][path]["get"]["responses"][str(said.status_code)]
            schema = described["content"]["application/json"]["schema"]
            assert (503 if troubles else 200) == said.status_code
            jsonschema.validate(said.json(), schema, cls=Draft202012Validator)


async def test_what_is_too_large_or_too_slow_is_answered_as_documented() -> None:
    """413 and 408 come from the front, whatever the door's own answers are."""
    app = front(receivers={WAKE_PATH: door()}, troubles=list, health=list, metrics=lambda: (b"", "text/plain"))
    async with serve(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        large = await client.post(WAKE_PATH, content=b"x" * (LARGEST_BODY + 1))
        address = urlsplit(url)
        head = f"POST {WAKE_PATH} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 9\r\n\r\n"
        slow = await _first_line(address.hostname or "", address.port or 0, head.encode())

    assert 413 == large.status_code
    assert slow.startswith(b"HTTP/1.1 408 ")
    assert answers(document({WAKE_PATH: door()}), WAKE_PATH) == {204, 401, 408, 413}


async def _first_line(host: str, port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    line = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    return line


def test_without_an_app_id_no_token_is_asked_for() -> None:
    """Then only this machine may speak to it, and the document promises no 401."""
    assert [{"bot_connector": []}] == operation(signed=True)["security"]
    assert "401" in operation(signed=True)["responses"]
    assert [] == operation(signed=False)["security"]
    assert "401" not in operation(signed=False)["responses"]
    assert {} == schemes(signed=False)


def test_the_schemas_are_schemas() -> None:
    """Whatever reads the document finds valid JSON Schema in it."""
    slack = endpoint_of("adapters.slack")["operation"]
    assert 20 < checked_schemas(document({WAKE_PATH: door()}), slack, operation(signed=True))
