"""`/healthz`, for monitors outside: green while Nod can reach people by itself, else red."""

from __future__ import annotations

import socket

import httpx
import pytest
from starlette.applications import Starlette

from adapters.web import front, serve_front
from bot.errors import ConfigError
from sandbox.serve import serve


async def test_health_turns_red_and_green_again_with_its_reasons() -> None:
    """200 while nothing is the matter, else 503 with each reason; readiness is a question of its own."""
    reasons: list[str] = []
    app = front(
        receivers={},
        troubles=lambda: ["no good poll"],
        health=lambda: list(reasons),
        metrics=lambda: (b"", "text/plain"),
    )
    async with serve(app) as address, httpx.AsyncClient(base_url=address, trust_env=False) as client:
        green = await client.get("/healthz")
        assert (200, {"status": "alive"}) == (green.status_code, green.json())

        reasons += ["one", "two"]
        red = await client.get("/healthz")
        assert (503, {"status": "in trouble", "troubles": ["one", "two"]}) == (red.status_code, red.json())
        ready = await client.get("/readyz")
        assert (503, ["no good poll"]) == (ready.status_code, ready.json()["troubles"])

        reasons.clear()
        assert 200 == (await client.get("/healthz")).status_code


@pytest.mark.parametrize(("host", "named"), [("no such host", "NOD_HOST"), ("127.0.0.1", "NOD_PORT")])
async def test_an_address_that_cannot_be_had_names_its_setting(host: str, named: str) -> None:
    """Another port helps nobody whose host is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"{named}: {host}:{port} cannot be used") as caught:
            async with serve_front(Starlette(), host=host, port=port):
                pass
    assert named in caught.value.fix
