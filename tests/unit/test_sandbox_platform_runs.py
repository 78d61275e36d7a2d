"""Runs of scripted agents: the events they stream, what a decision does to them, and what one can watch."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from sandbox.platform import (
    CAST,
    Agent,
    Line,
    Platform,
    RiskyTool,
    SafeTool,
    Say,
    open_platform,
    platform_app,
)
from sandbox.platform.sse import RunStream
from sandbox.serve import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

CLERK = Agent(
    name="clerk",
    about="Looks, thinks, and sends.",
    steps=(
        SafeTool(tool="look_up", arguments={"name": "Jane"}, answer="jane@example.com"),
        Say(text="Found her."),
        RiskyTool(
            tool="send_email",
            arguments={"to": "jane@example.com"},
            answer="sent",
            approved="It is out.",
            rejected="It stays in.",
            skipped="Left out.",
            timed_out="Went on without it.",
            timeout_seconds=60,
        ),
    ),
    final="All done.",
)


@asynccontextmanager
async def served(agent: Agent = CLERK) -> AsyncIterator[tuple[Platform, httpx.AsyncClient]]:
    async with (
        open_platform(api_key="key", agents=[agent]) as platform,
        serve(platform_app(platform)) as url,
        httpx.AsyncClient(base_url=url, headers={"X-API-Key": "key"}) as client,
    ):
        yield platform, client


async def waiting(platform: Platform) -> str:
    """The request that the run waits for, once it does."""
    async with asyncio.timeout(5):
        async for line in platform.watch():
            if line.kind == "waits" and line.request_id:
                return line.request_id
    raise AssertionError("the run never waited")


async def ended(platform: Platform) -> list[Line]:
    """The lines of the run, once it is over."""
    lines = []
    async with asyncio.timeout(5):
        async for line in platform.watch():
            lines.append(line)
            if line.kind in ("finished", "cancelled"):
                break
    return lines


async def streamed(client: httpx.AsyncClient, platform: Platform, decision: str | None) -> list[dict[str, Any]]:
    """All events of a run, answered with `decision` where it pauses."""
    events = []
    body = {"input": "go", "stream": True}
    async with client.stream("POST", f"/agents/{CLERK.id}/run", json=body) as answer:
        assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                assert line in ("", "data: [DONE]")
                continue
            events.append(json.loads(line.removeprefix("data: ")))
            hitl = events[-1]["metadata"].get("hitl", {})
            if decision and hitl.get("decision") == "pending":
                platform.decide(hitl["request_id"], decision, "because")
    return events


async def test_the_events_of_a_run() -> None:
    """The stream reports the run step by step; arguments are in the tool call, not in the pending event."""
    async with served() as (platform, client):
        events = await streamed(client, platform, "approved")

        assert [
            ("status_update", "Performing agent tasks"),
            ("tool_call", "Processing with tools: look_up"),
            ("tool_result", "jane@example.com"),
            ("content_chunk", "Found her."),
            ("tool_call", "Processing with tools: send_email"),
            ("tool_result", events[5]["content"]),
            ("tool_result", "sent"),
            ("content_chunk", "It is out."),
            ("content_chunk", "All done."),
            ("final_response", "All done."),
        ] == [(event["event_type"], event["content"]) for event in events]
        call, paused, resumed = (events[at]["metadata"] for at in (4, 5, 6))
        assert {"to": "jane@example.com"} == call["tool_info"]["tool_calls"][0]["args"]
        assert ({}, None) == (paused["tool_info"]["args"], paused["tool_info"]["execution_time"])
        assert (
            call["tool_info"]["tool_calls"][0]["id"] == paused["tool_info"]["id"] == resumed["tool_info"]["id"]
        )
        keys = {"required", "decision", "request_id", "timeout_seconds", "timeout_at"}
        assert keys == paused["hitl"].keys()
        expected = {"required": True, "decision": "approved", "request_id": paused["hitl"]["request_id"]}
        assert expected == resumed["hitl"]
        assert (True, "completed") == (events[-1]["final"], events[-1]["task_state"])


@pytest.mark.parametrize(
    ("decision", "words"),
    [("approved", "It is out."), ("rejected", "It stays in."), ("skipped", "Left out.")],
)
async def test_a_run_obeys(decision: str, words: str) -> None:
    """After the decision the run goes on, and the tool runs only when it was approved."""
    async with open_platform(api_key="key", agents=[CLERK]) as platform:
        run_id = platform.start("clerk")
        request_id = await waiting(platform)
        assert [] == platform.executed

        platform.decide(request_id, decision, "because")
        lines = await ended(platform)

        ran = decision == "approved"
        assert ([request_id] if ran else []) == platform.executed
        assert [
            ("started", "started"),
            ("calls", "calling look_up"),
            ("tool", "jane@example.com"),
            ("says", "Found her."),
            ("waits", "waiting for approval: send_email"),
            (decision, f"{decision}: because"),
            *([("tool", "sent")] if ran else []),
            ("says", words),
            ("finished", "finished"),
        ] == [(line.kind, line.text) for line in lines]
        assert {run_id} == {line.run_id for line in lines}
        assert lines == list(platform.transcript())


async def test_nobody_answers() -> None:
    """At the deadline, which a start can override, the run goes on without the tool."""
    async with served() as (platform, _):
        platform.start("clerk", timeout_seconds=0.05)

        lines = await ended(platform)

        assert [
            ("timeout_skip", "nobody answered in time"),
            ("says", "Went on without it."),
            ("finished", "finished"),
        ] == [(line.kind, line.text) for line in lines[5:]]
        assert ([], []) == (platform.executed, list(platform.approvals.pending()))


async def test_the_stream_says_timeout_skip() -> None:
    """A streaming client sees the pause end in timeout_skip."""
    hurried = Agent(
        name="clerk",
        about="In a hurry.",
        steps=(RiskyTool(tool="send", arguments={}, answer="sent", timeout_seconds=0.05),),
    )
    async with served(hurried) as (platform, client):
        events = await streamed(client, platform, None)

        hitl = [event["metadata"]["hitl"] for event in events if "hitl" in event["metadata"]]
        assert ["pending", "timeout_skip"] == [each["decision"] for each in hitl]
        assert 0.05 == hitl[0]["timeout_seconds"]


async def test_a_client_that_leaves() -> None:
    """Closing the stream removes the waiting request at once, and a decision then finds nothing."""
    async with served() as (platform, client):
        async with client.stream("POST", f"/agents/{CLERK.id}/run", json={"input": "go"}) as answer:
            lines = answer.aiter_lines()
            request_id = await asyncio.gather(waiting(platform), anext(lines))
            assert 1 == len(list(platform.approvals.pending()))

        told = await ended(platform)

        assert ("cancelled", request_id[0]) == (told[-1].kind, told[-1].request_id)
        assert [] == list(platform.approvals.pending())
        assert 404 == platform.decide(request_id[0], "approved")
        assert [] == platform.approvals.audit


async def test_an_idle_stream_is_closed() -> None:
    """A stream on which nothing happens is ended by the server, and its request goes with it."""
    async with open_platform(api_key="key", agents=[CLERK]) as platform:

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            stream = RunStream(platform.run(CLERK, run_id="r"), run_id="r", idle=0.3)
            await stream(scope, receive, send)

        async with serve(app) as url, httpx.AsyncClient() as client:
            answer = await client.post(url)

        assert "Awaiting human approval" in answer.text
        assert "[DONE]" not in answer.text
        assert [] == list(platform.approvals.pending())


async def test_without_a_stream() -> None:
    """A run that is not streamed answers at its end."""
    talker = Agent(name="clerk", about="Only talks.", steps=(Say(text="Hm."),), final="Well.")
    async with served(talker) as (_, client):
        answer = await client.post(f"/agents/{talker.id}/run", json={"input": "go", "stream": False})

        assert "Well." == answer.json()["data"]["output"]
        assert 422 == (await client.post(f"/agents/{talker.id}/run", json={})).status_code


async def test_closing_stops_everything() -> None:
    """When the platform closes, its runs stop, what waits is gone, and watchers get the end."""
    async with open_platform(api_key="key") as platform:
        seen: list[Line] = []

        async def watch() -> None:
            seen.extend([line async for line in platform.watch()])

        watching = asyncio.create_task(watch())
        platform.start("mail_agent")
        platform.start("hostile_agent")
        await waiting(platform)
    await asyncio.wait_for(watching, 5)

    assert 2 == [line.kind for line in seen].count("cancelled")
    assert list(platform.transcript()) == seen
    assert [] == list(platform.approvals.pending())
    with pytest.raises(KeyError):
        platform.start("nobody")


async def test_the_cast() -> None:
    """The sandbox's agents play to the end; among them a very long call, a hostile one and a short fuse."""
    async with open_platform(api_key="key", pace=0.001) as platform:
        for agent in CAST:
            platform.start(agent.name)
        async with asyncio.timeout(5):
            async for line in platform.watch():
                if line.kind == "waits" and line.request_id:
                    platform.decide(line.request_id, "approved")
                if [each.kind for each in platform.transcript()].count("finished") == len(CAST):
                    break

        risky = [step for agent in CAST for step in agent.steps if isinstance(step, RiskyTool)]
        assert len(risky) == len(platform.executed)
        sizes = [len(json.dumps(step.arguments)) for step in risky]
        assert max(sizes) > 20_000
        assert any("<!channel>" in json.dumps(step.arguments) for step in risky)
        assert 20 == min(step.timeout_seconds for step in risky)


def test_the_demo_calls_each_agent_by_name() -> None:
    """The demo's policy has a name for each agent of the cast, by the id under which it asks."""
    policy = yaml.safe_load(resources.files("sandbox").joinpath("nod.demo.yaml").read_text(encoding="utf-8"))

    assert {agent.slug for agent in CAST} == policy["agents"].keys()
