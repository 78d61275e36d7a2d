"""A card because of a stream: the bot, the sandbox and the relay between an agent's client and the platform.

The bot polls once a minute here, so a card that is up before that is up because of the relay. How soon it is up
is measured by `benchmarks.relay`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from adapters.relay import WAKE_PATH, open_relay, open_waker, serve_relay
from sandbox.platform.quirks import Quirks
from sandbox.platform.sample_agents import CAST
from sandbox.servers import API_KEY
from tests.servers.system import ANN, POLICY, System, open_system, said, until

TOKEN = "5f0c2d9ab81e4736" * 2
#: Without the relay a card would be up after a minute.
SELDOM = POLICY.replace("poll_every: 200ms", "poll_every: 60s")
MAIL = next(agent for agent in CAST if agent.name == "mail_agent")


@asynccontextmanager
async def system_with_relay(folder: Path) -> AsyncIterator[tuple[System, httpx.AsyncClient]]:
    """A system whose bot polls once a minute, and a client of the platform that goes through a relay."""
    async with open_system(folder, policy=SELDOM, NOD_RELAY_TOKEN=TOKEN) as system:
        assert system.nod is not None
        async with (
            open_waker(system.nod.address, TOKEN) as waker,
            open_relay(system.sandbox.url, wake=waker.ring, told=waker.tell) as app,
            serve_relay(app, host="127.0.0.1", port=0) as url,
            httpx.AsyncClient(base_url=url, headers={"X-API-Key": API_KEY}, timeout=10) as client,
        ):
            await asyncio.sleep(1.5)  # what the relay's first wake asked for is over
            yield system, client


async def asked(stream: AsyncIterator[str]) -> str:
    """Read a run's events until a person has to decide; returns the request's id."""
    async for line in stream:
        hitl = json.loads(line[6:])["metadata"].get("hitl") if line.startswith("data: {") else None
        if hitl:
            return str(hitl["request_id"])
    raise AssertionError("the run ended without a question")


@pytest.mark.parametrize("nameless", [False, True])
async def test_the_card_is_up_at_once(tmp_path: Path, nameless: bool) -> None:
    """No poll is waited for; it has the run's id, also where only the stream tells, and the run goes on."""
    async with system_with_relay(tmp_path) as (system, client):
        system.sandbox.platform.quirks = Quirks(nameless_runs=nameless)
        async with client.stream("POST", f"/agents/{MAIL.id}/run", json={"input": "go", "stream": True}) as run:
            lines = run.aiter_lines()
            request_id = await asked(lines)
            card = await system.shown()
            await system.press(ANN, card, "ids")
            await system.whispered(ANN, run.headers["x-run-id"])
            await system.press(ANN, card, "approve")
            rest = [line async for line in lines]

        assert "data: [DONE]" in rest
        assert ["approved"] == system.effects(request_id)
        await system.says(card, "Approved")


@pytest.mark.parametrize("decision", ["rejected", "skipped", "approved"])
async def test_the_card_follows_who_was_faster(tmp_path: Path, decision: str) -> None:
    """Answered on the platform, past the bot: the stream says so, and the card does within some seconds."""
    async with system_with_relay(tmp_path) as (system, client):
        async with client.stream("POST", f"/agents/{MAIL.id}/run", json={"input": "go", "stream": True}) as run:
            lines = run.aiter_lines()
            request_id = await asked(lines)
            card = await system.shown()
            system.sandbox.platform.decide(request_id, decision)
            assert [line async for line in lines]

        await system.says(card, f"Answered on the platform: {decision}")


async def test_the_card_follows_a_run_that_went_on(tmp_path: Path) -> None:
    """Nobody answered: the stream says `timeout_skip`, and the card that it expired."""
    async with system_with_relay(tmp_path) as (system, client):
        about = {
            "name": "hasty_agent",
            "tools": ["send_email"],
            "agent_config": {"hitl_enabled": True},
            "tool_configs": {"send_email": {"hitl": {"timeout_seconds": 6}}},
        }
        made = await client.post("/agents/", json=about)
        run_path = f"/agents/{made.json()['data']['id']}/run"
        async with client.stream("POST", run_path, json={"input": "go", "stream": True}) as run:
            lines = run.aiter_lines()
            await asked(lines)
            card = await system.shown()
            rest = [line async for line in lines]

        assert any('"decision": "timeout_skip"' in line for line in rest)
        await system.says(card, "Expired")


async def test_the_card_follows_a_client_that_left(tmp_path: Path) -> None:
    """Closing the stream withdraws the request; the card does not ask for it any more."""
    async with system_with_relay(tmp_path) as (system, client):
        async with client.stream("POST", f"/agents/{MAIL.id}/run", json={"input": "go", "stream": True}) as run:
            await asked(run.aiter_lines())
            card = await system.shown()
            assert "nod_approve" in said(card)

        await until(lambda: "nod_approve" not in said(system.now(card)))


async def test_without_a_token_there_is_no_door(tmp_path: Path) -> None:
    """A bot that was told no token answers 404 there, to every token."""
    async with open_system(tmp_path) as system, httpx.AsyncClient() as client:
        assert system.nod is not None
        for given in ("Bearer", "Bearer None", f"Bearer {TOKEN}"):
            answer = await client.post(system.nod.address + WAKE_PATH, headers={"Authorization": given})
            assert 404 == answer.status_code
