"""Agents and tools that are made over REST, as in the guide's workflow: what asks, and for how long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sandbox.platform import Platform, open_platform, platform_app
from sandbox.platform.approvals import PendingRequest
from sandbox.serve import serve

KEY = "key-of-the-day"
HITL = {"hitl": {"timeout_seconds": 0.05}}


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    async with open_platform(api_key=KEY, agents=[]) as platform:
        yield platform


@pytest.fixture
async def client(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serve(platform_app(platform)) as url,
        httpx.AsyncClient(base_url=url, headers={"X-API-Key": KEY}) as client,
    ):
        yield client


async def upload(client: httpx.AsyncClient, name: str) -> str:
    """The id of a tool that is uploaded now."""
    answer = await client.post("/tools/upload", data={"name": name}, files={"file": (f"{name}.py", b"pass")})
    assert answer.status_code == 200
    tool_id: str = answer.json()["data"]["id"]
    return tool_id


async def create(client: httpx.AsyncClient, **about: Any) -> str:
    """The id of an agent that is created now."""
    answer = await client.post("/agents/", json={"name": "made", "instruction": "Work.", **about})
    assert answer.status_code == 201
    agent_id: str = answer.json()["data"]["id"]
    return agent_id


async def run(client: httpx.AsyncClient, agent_id: str) -> list[tuple[str, str, float | None]]:
    """How the approvals of a run went: tool, decision, and the window where one is named."""
    answer = await client.post(f"/agents/{agent_id}/run", json={"input": "go"})
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    hitl = [
        (event["metadata"].get("hitl"), event["metadata"].get("tool_info")) for event in map(json.loads, lines)
    ]
    return [(info["name"], one["decision"], one.get("timeout_seconds")) for one, info in hitl if one]


ASKS = [("tidy", "pending", 0.05), ("tidy", "timeout_skip", None)]


@pytest.mark.parametrize(
    ("agent_config", "config", "expected"),
    [
        ({"hitl_enabled": True}, HITL, ASKS),
        ({"hitl_enabled": False}, HITL, []),
        ({}, HITL, []),
        (None, HITL, []),
        ({"hitl_enabled": True}, {}, []),
        ({"hitl_enabled": True}, {"hitl": None}, []),
    ],
    ids=["both", "switched off", "no switch", "no config", "no hitl", "hitl is null"],
)
@pytest.mark.parametrize("by", ["id", "name"])
async def test_what_asks(
    client: httpx.AsyncClient, agent_config: Any, config: Any, expected: list[Any], by: str
) -> None:
    """A tool asks where the agent's switch is on and its own entry has `hitl`; the rest runs without asking."""
    tool_id, other = await upload(client, "tidy"), await upload(client, "other")
    agent_id = await create(
        client,
        tools=[tool_id, {"id": other}],
        agent_config=agent_config,
        tool_configs={tool_id if by == "id" else "tidy": config, other: {"retries": 1}},
    )

    assert expected == await run(client, agent_id)
    shown = (await client.get(f"/agents/{agent_id}")).json()["data"]
    assert [{"id": tool_id, "name": "tidy"}, {"id": other, "name": "other"}] == shown["tools"]
    assert agent_config == shown["agent_config"]


@pytest.mark.parametrize(
    "seconds", [0, -1, "60", True, None, 1e12, pytest.param(10**400, id="more than a float")]
)
async def test_windows_that_are_none(client: httpx.AsyncClient, seconds: object) -> None:
    """A window is a number of seconds above nought that ends before the year 9999: else nothing is created."""
    body = {"name": "made", "tool_configs": {"tidy": {"hitl": {"timeout_seconds": seconds}}}}

    answer = await client.post("/agents/", content=json.dumps(body))

    assert 422 == answer.status_code
    assert {"timeout_seconds"} == {problem["loc"][4] for problem in answer.json()["detail"]}
    assert [] == (await client.get("/agents/")).json()["data"]


async def test_numbers_that_json_has_not(client: httpx.AsyncClient) -> None:
    """`NaN`, which Python writes and JSON has not, does not spoil what is listed afterwards."""
    answer = await client.post("/agents/", content='{"name": "made", "temperature": NaN, "tools": [Infinity]}')

    assert 201 == answer.status_code
    assert [None] == [agent["temperature"] for agent in (await client.get("/agents/")).json()["data"]]


async def test_the_audit_by_either_name(platform: Platform, client: httpx.AsyncClient) -> None:
    """The audit's guide filters by the agent's UUID and shows its slug: both find the same records."""
    tool_id = await upload(client, "tidy")
    agent_id = await create(
        client, tools=[tool_id], agent_config={"hitl_enabled": True}, tool_configs={tool_id: HITL}
    )
    await run(client, agent_id)
    platform.decide(platform.ask(arguments={}), "approved")

    (slug,) = {end.request.agent_id for end in platform.approvals.audit} - {"bare_agent-00000000"}
    for name in (agent_id, slug):
        found = (await client.get("/agents/hitl/audit", params={"agent_id": name})).json()
        assert [(slug, "timeout")] == [(one["agent"]["id"], one["decision"]) for one in found["data"]]


async def test_tools_come_and_go(client: httpx.AsyncClient) -> None:
    """An upload is listed and shown until it is deleted; a taken name, and what is no tool, are refused."""
    tool_id = await upload(client, "tidy")
    form = {"data": {"name": "tidy"}, "files": {"file": ("tidy.py", b"pass")}}

    assert [tool_id] == [tool["id"] for tool in (await client.get("/tools/?type=custom")).json()["data"]]
    assert [] == (await client.get("/tools/?type=native")).json()["data"]
    assert "pass" == (await client.get(f"/tools/{tool_id}")).json()["data"]["tool_script"]
    assert 409 == (await client.post("/tools/upload", **form)).status_code  # type: ignore[arg-type]  # as httpx has it
    assert 400 == (await client.post("/tools/upload", data={"a": "b"}, files={"x": b"y"})).status_code
    assert 204 == (await client.delete(f"/tools/{tool_id}")).status_code
    assert 404 == (await client.get(f"/tools/{tool_id}")).status_code
    unnamed = await client.post("/tools/upload", files={"file": ("sweep.py", b"pass")})
    assert "sweep" == unnamed.json()["data"]["name"]


async def test_agents_go_too(client: httpx.AsyncClient) -> None:
    """The guide's cleanup: an agent is deleted once, and its name is free again; a script's tool cannot be."""
    agent_id = await create(client, tools=["tidy"])
    (tool,) = (await client.get("/tools/")).json()["data"]

    assert 409 == (await client.delete(f"/tools/{tool['id']}")).status_code
    assert [204, 404] == [(await client.delete(f"/agents/{agent_id}")).status_code for _ in range(2)]
    assert agent_id == await create(client, tools=[])
    assert 404 == (await client.delete(f"/tools/{tool['id']}")).status_code


async def test_the_runtimes_window_where_none_is_said(platform: Platform, client: httpx.AsyncClient) -> None:
    """An empty `hitl` waits 300 s, as the runtime's own default is."""
    about = {"agent_config": {"hitl_enabled": True}, "tool_configs": {"pay": {"hitl": {}}}}
    agent_id = await create(client, tools=["pay"], **about)

    async with client.stream("POST", f"/agents/{agent_id}/run", json={"input": "go"}):
        (request,) = await waiting(platform)

    assert 300 == request.timeout_seconds


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('{"pay": {"amount": 12, "to": ["ann"]}}', {"amount": 12, "to": ["ann"]}),
        ('{"pay": {}}', {}),
        ('{"other": {"amount": 12}}', {"action": "Work."}),
        ('{"pay": 12}', {"action": "Work."}),
        ('{"pay": {"amount": 1e999}}', {"action": "Work."}),
        ('["pay"]', {"action": "Work."}),
        ('{"pay": {"amount": 12}', {"action": "Work."}),
        ("[" * 100_000, {"action": "Work."}),
        ("Pay 12 to Ann", {"action": "Work."}),
    ],
)
async def test_a_run_says_what_a_tool_is_called_with(
    platform: Platform, client: httpx.AsyncClient, text: str, arguments: dict[str, Any]
) -> None:
    """A JSON object as input names tools and their arguments; any other input is words."""
    about = {"agent_config": {"hitl_enabled": True}, "tool_configs": {"pay": {"hitl": {"timeout_seconds": 9}}}}
    agent_id = await create(client, tools=["pay"], **about)

    async with client.stream("POST", f"/agents/{agent_id}/run", json={"input": text}):
        (request,) = await waiting(platform)
        (listed,) = (await client.get("/agents/hitl/pending")).json()

    assert arguments == request.arguments == listed["arguments"]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_takes_its_request_along(
    platform: Platform, client: httpx.AsyncClient, stream: bool
) -> None:
    """Whether it listens to a stream or waits for the end: nobody is asked for it any more."""
    about = {"agent_config": {"hitl_enabled": True}, "tool_configs": {"pay": {"hitl": {}}}}
    agent_id = await create(client, tools=["pay"], **about)
    body = {"input": "go", "stream": stream}
    asking = asyncio.create_task(client.post(f"/agents/{agent_id}/run", json=body, timeout=30))
    await waiting(platform)

    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    async with asyncio.timeout(5):
        while list(platform.approvals.pending()):
            await asyncio.sleep(0.01)
    assert [] == list(platform.approvals.pending())


async def test_a_run_that_is_not_streamed_comes_to_its_end(
    platform: Platform, client: httpx.AsyncClient
) -> None:
    """Its answer comes once a person has decided."""
    about = {"agent_config": {"hitl_enabled": True}, "tool_configs": {"pay": {"hitl": {}}}}
    agent_id = await create(client, tools=["pay"], **about)
    asking = asyncio.create_task(client.post(f"/agents/{agent_id}/run", json={"input": "go", "stream": False}))
    (request,) = await waiting(platform)

    platform.decide(request.request_id, "approved")

    assert "Finished." == (await asking).json()["data"]["output"]


async def waiting(platform: Platform) -> list[PendingRequest]:
    """What waits, once something does."""
    async with asyncio.timeout(5):
        while not (found := list(platform.approvals.pending())):
            await asyncio.sleep(0.01)
    return found
