"""`/healthz` is for whoever looks from outside: green while Nod can tell people by itself, else red."""

from __future__ import annotations

import httpx

from adapters.sandbox.serve import serve
from adapters.web import front


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
