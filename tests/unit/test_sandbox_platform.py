"""The embedded platform keeps the platform's contract: the key, what waits, the decision, the quirks."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sandbox.faults import Faults
from sandbox.platform import Platform, Quirks, open_platform, platform_app
from sandbox.serve import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "sandbox-key"


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[Platform, httpx.AsyncClient]]:
    async with (
        open_platform(api_key=KEY, **options) as platform,
        serve(platform_app(platform)) as url,
        httpx.AsyncClient(base_url=url, headers={"X-API-Key": KEY}) as client,
    ):
        yield platform, client


async def decide(
    client: httpx.AsyncClient, request_id: str, decision: str = "approved", **more: Any
) -> httpx.Response:
    body = {"request_id": request_id, "decision": decision, **more}
    return await client.post("/agents/hitl/decision", json=body)


async def pending(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await client.get("/agents/hitl/pending")).json()
    return listed


async def test_only_who_knows_the_key() -> None:
    """Without the key every route but the health check answers 401, in the envelope of its part of the API."""
    async with served() as (_, client):
        plain = {
            "success": False,
            "error": "Unauthorized",
            "message": "Invalid or missing API key",
            "details": None,
        }
        audit = {"error": "unauthorized", "message": "Authentication required to access audit logs"}

        for key in ("", "sandbox-ke", "sandbox-key2", "schlüssel"):
            headers = {"X-API-Key": key.encode()}
            for path in ("/agents/hitl/pending", "/agents/", "/tools/", "/nowhere"):
                answer = await client.get(path, headers=headers)
                assert (401, plain) == (answer.status_code, answer.json())
            answer = await client.get("/agents/hitl/audit", headers=headers)
            assert (401, audit) == (answer.status_code, answer.json())
            assert 200 == (await client.get("/health-check", headers=headers)).status_code


async def test_what_waits() -> None:
    """A waiting request is listed with every field of the contract."""
    at = datetime(2026, 11, 22, 14, 41, 1, 553063, tzinfo=UTC)
    async with served(now=lambda: at) as (platform, client):
        arguments = {"to": "jane@example.com", "lines": ["a", "b"]}
        request_id = platform.ask(arguments=arguments, timeout_seconds=180, agent_id="mail-1234abcd")
        expected = {
            "request_id": request_id,
            "tool": "send_email",
            "arguments": arguments,
            "created_at": "2026-11-22T14:41:01.553063+00:00",
            "agent_id": "mail-1234abcd",
            "run_id": None,
            "hitl_metadata": {
                "required": True,
                "decision": "pending",
                "request_id": request_id,
                "timeout_at": "2026-11-22T14:44:01.553063+00:00",
                "timeout_seconds": 180,
            },
            "additional_context": {
                "tool_name": "send_email",
                "arguments": arguments,
                "agent_id": "mail-1234abcd",
            },
        }

        assert [expected] == await pending(client)


@pytest.mark.parametrize("decision", ["approved", "rejected", "skipped"])
async def test_a_decision_counts_once(decision: str) -> None:
    """The first decision wins and leaves the list; the second is a conflict; only an approval runs the tool."""
    async with served() as (platform, client):
        request_id = platform.ask(arguments={})

        first = await decide(client, request_id, decision, operator_input="Looks good", run_id="ours")
        second = await decide(client, request_id, "approved")

        expected = {"status": "ok", "message": f"Request {request_id} {decision}"}
        assert (200, expected) == (first.status_code, first.json())
        assert (409, "Conflict") == (second.status_code, second.json()["error"])
        assert [] == await pending(client)
        assert ([request_id] if decision == "approved" else []) == platform.executed
        assert [(request_id, decision, "Looks good", 200), (request_id, "approved", None, 409)] == [
            (post.request_id, post.decision, post.operator_input, post.status) for post in platform.decisions
        ]


async def test_unknown() -> None:
    """A decision about a request that never was is not found."""
    async with served() as (platform, client):
        answer = await decide(client, "nope")

        expected = {
            "success": False,
            "error": "NotFound",
            "message": "No pending approval request with id 'nope'",
            "details": None,
        }
        assert (404, expected) == (answer.status_code, answer.json())
        assert [404] == [post.status for post in platform.decisions]


@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        ({"decision": "approved"}, ["body", "request_id"], "missing"),
        ({"request_id": "x"}, ["body", "decision"], "missing"),
        ({"request_id": "x", "decision": "approve"}, ["body", "decision"], "literal_error"),
        ({"request_id": "x", "decision": "APPROVED"}, ["body", "decision"], "literal_error"),
        ({"request_id": "x", "decision": "timeout_skip"}, ["body", "decision"], "literal_error"),
        ({"request_id": "x", "decision": "pending"}, ["body", "decision"], "literal_error"),
        ({"request_id": 1, "decision": "approved"}, ["body", "request_id"], "string_type"),
        (
            {"request_id": "x", "decision": "approved", "operator_input": {}},
            ["body", "operator_input"],
            "string_type",
        ),
        ("not json", ["body"], "json_invalid"),
    ],
)
async def test_bad_bodies(body: object, loc: list[str], kind: str) -> None:
    """A body that is not a decision is refused in FastAPI's shape, and nothing is decided."""
    async with served() as (platform, client):
        content = body if isinstance(body, str) else json.dumps(body)

        answer = await client.post("/agents/hitl/decision", content=content)

        assert 422 == answer.status_code
        assert [(loc, kind)] == [(problem["loc"], problem["type"]) for problem in answer.json()["detail"]]
        assert [] == platform.decisions


async def test_the_deadline() -> None:
    """At its deadline a request leaves the list, is noted as a timeout, and a later decision finds nothing."""
    async with served() as (platform, client):
        request_id = platform.ask(arguments={}, timeout_seconds=0.05)
        longer = platform.ask(arguments={}, timeout_seconds=60)
        assert [request_id, longer] == [request.request_id for request in platform.approvals.pending()]

        await asyncio.sleep(0.1)

        assert [longer] == [item["request_id"] for item in await pending(client)]
        assert 404 == (await decide(client, request_id)).status_code
        record = (await client.get(f"/agents/hitl/audit/{request_id}")).json()
        assert "timeout" == record["data"]["decision"]
        assert [] == platform.executed


async def test_a_restart() -> None:
    """A restart of the runner empties the list, and whatever was decided or waited is then unknown."""
    async with served() as (platform, client):
        decided, waiting = platform.ask(arguments={}), platform.ask(arguments={})
        await decide(client, decided)

        await platform.restart()

        assert [] == await pending(client)
        assert [404, 404] == [(await decide(client, each)).status_code for each in (decided, waiting)]


async def test_no_window() -> None:
    """A request needs a window, as in the runtime."""
    async with open_platform(api_key=KEY) as platform:
        with pytest.raises(ValueError, match="timeout_seconds must be > 0"):
            platform.ask(arguments={}, timeout_seconds=0)


async def test_many_at_once() -> None:
    """Of many decisions about one request that arrive together exactly one is valid."""
    async with served() as (platform, client):
        request_id = platform.ask(arguments={})

        answers = await asyncio.gather(*(decide(client, request_id) for _ in range(20)))

        assert [200] + [409] * 19 == sorted(answer.status_code for answer in answers)
        assert [request_id] == platform.executed


async def test_forgiving() -> None:
    """The vendor's demo server says 200 to a second and to a late decision; still the first one is valid."""
    async with served(quirks=Quirks(forgiving=True)) as (platform, client):
        decided, late = platform.ask(arguments={}), platform.ask(arguments={}, timeout_seconds=0.01)
        await asyncio.sleep(0.05)

        answers = [
            await decide(client, decided),
            await decide(client, decided, "rejected"),
            await decide(client, late),
        ]

        assert [200, 200, 200] == [answer.status_code for answer in answers]
        assert 404 == (await decide(client, "never existed")).status_code
        assert [decided] == platform.executed
        audited = (await client.get("/agents/hitl/audit", params={"sort_order": "asc"})).json()["data"]
        assert ["timeout", "approved"] == [record["decision"] for record in audited]


async def test_previews_and_wrapping() -> None:
    """A platform may show arguments as a cut preview, and may wrap the list."""
    async with served(quirks=Quirks(previews=True, wrapped=True)) as (platform, client):
        platform.ask(arguments={"a": "é"})
        platform.ask(arguments={"body": "x" * 5000})

        answer = (await client.get("/agents/hitl/pending")).json()

        short, long = (item["arguments"] for item in answer["data"])
        assert '{\n  "a": "\\u00e9"\n}' == short
        assert (2048, "xxx...") == (len(long), long[-6:])
        assert answer["success"] is True


async def test_local_time_labelled_utc() -> None:
    """A host in UTC+7 writes its wall clock and calls it UTC; the real deadline stays where it is."""
    async with served(quirks=Quirks(local_offset=timedelta(hours=7))) as (platform, client):
        platform.ask(arguments={}, timeout_seconds=60)

        (item,) = await pending(client)

        ahead = datetime.fromisoformat(item["created_at"]) - datetime.now(UTC)
        assert timedelta(hours=6, minutes=59) < ahead < timedelta(hours=7, minutes=1)
        timeout_at = datetime.fromisoformat(item["hitl_metadata"]["timeout_at"])
        assert timedelta(seconds=60) == timeout_at - datetime.fromisoformat(item["created_at"])


async def test_lingering() -> None:
    """Where no run waits, an expired request may stay listed and can still be approved."""
    async with served(quirks=Quirks(lingering=True)) as (platform, client):
        request_id = platform.ask(arguments={}, timeout_seconds=0.01)
        await asyncio.sleep(0.05)

        assert [request_id] == [item["request_id"] for item in await pending(client)]
        assert 200 == (await decide(client, request_id)).status_code


async def test_applied_and_the_answer_lost() -> None:
    """Behind faults a decision can count although its answer never arrives; a retry meets the conflict."""
    faults = Faults()
    async with (
        open_platform(api_key=KEY) as platform,
        serve(platform_app(platform, faults=faults)) as url,
        httpx.AsyncClient(base_url=url, headers={"X-API-Key": KEY}) as client,
    ):
        request_id = platform.ask(arguments={})
        rule = [{"method": "POST", "path": "/agents/hitl/decision", "times": 1, "reset": True, "after": True}]
        assert 200 == (await client.post("/sandbox/faults", json=rule, headers={"X-API-Key": ""})).status_code

        with pytest.raises(httpx.TransportError):
            await decide(client, request_id)

        assert 409 == (await decide(client, request_id)).status_code
        assert [request_id] == platform.executed


async def test_agents_over_rest() -> None:
    """Agents can be listed, found by name, created once, and shown; an unknown one is not found."""
    async with served() as (_, client):
        listed = (await client.get("/agents/")).json()
        assert 8 == listed["total"]
        found = (await client.get("/agents/", params={"name": "treasury"})).json()["data"]
        assert ["treasury_agent"] == [agent["name"] for agent in found]

        created = await client.post("/agents/", json={"name": "mine", "instruction": "Tidy up.", "model": "x"})
        again = await client.post("/agents/", json={"name": "mine"})
        nameless = await client.post("/agents/", json={"instruction": "?"})

        assert (201, 409, 422) == (created.status_code, again.status_code, nameless.status_code)
        shown = (await client.get(f"/agents/{created.json()['data']['id']}")).json()["data"]
        assert ("mine", "Tidy up.", "x") == (shown["name"], shown["instruction"], shown["model"])
        assert 404 == (await client.get("/agents/nobody")).status_code
        assert 404 == (await client.post("/agents/nobody/run", json={"input": "x"})).status_code


async def test_the_catalogue() -> None:
    """What the client asks for before it deploys is there: models, tools, uploads, no MCP servers."""
    async with served() as (_, client):
        models = await client.get("/language-models/", params={"offset": 0, "limit": 1000})
        assert ["gpt-5-nano"] == [model["name"] for model in models.json()["data"]]
        assert "pay_invoice" in [tool["name"] for tool in (await client.get("/tools/")).json()["data"]]
        assert [] == (await client.get("/mcps/")).json()["data"]

        uploaded = await client.post("/tools/upload", data={"name": "mine"}, files={"file": ("t.py", b"pass")})
        refused = await client.post("/tools/upload", content=b"pass")

        assert (200, "mine") == (uploaded.status_code, uploaded.json()["data"]["name"])
        assert 400 == refused.status_code
