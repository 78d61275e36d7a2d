"""The embedded platform's audit: every end once, filtered and paged as documented, with its errors."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sandbox.platform import Platform, Quirks, open_platform, platform_app
from sandbox.serve import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class MinuteClock:
    """Every look at it is a minute later."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        self.at += timedelta(minutes=1)
        return self.at


@asynccontextmanager
async def audited(**options: Any) -> AsyncIterator[tuple[Platform, httpx.AsyncClient]]:
    """A platform on which twelve requests were decided, in turn approved, rejected and skipped."""
    async with (
        open_platform(api_key="key", now=MinuteClock(), **options) as platform,
        serve(platform_app(platform)) as url,
        httpx.AsyncClient(base_url=url, headers={"X-API-Key": "key"}) as client,
    ):
        for number in range(12):
            request_id = platform.ask(arguments={"number": number}, agent_id=f"agent-{number % 2}")
            platform.decide(request_id, ("approved", "rejected", "skipped")[number % 3], "noted")
        yield platform, client


async def numbers(client: httpx.AsyncClient, **query: Any) -> list[int]:
    records = (await client.get("/agents/hitl/audit", params=query)).json()["data"]
    return [record["tool"]["arguments"]["number"] for record in records]


async def test_a_record() -> None:
    """A record says who, what and how, alone and in the list."""
    async with audited() as (platform, client):
        request_id = platform.decisions[0].request_id

        one = (await client.get(f"/agents/hitl/audit/{request_id}")).json()
        listed = (await client.get("/agents/hitl/audit", params={"sort_order": "asc"})).json()["data"][0]

        expected = {
            "request_id": request_id,
            "decision": "approved",
            "timestamp": "2026-11-22T12:02:00.000Z",
            "agent": {"id": "agent-0", "name": "agent"},
            "tool": {"name": "send_email", "arguments": {"number": 0}},
            "metadata": {"operator_input": "noted"},
        }
        assert (True, expected) == (one["success"], one["data"])
        assert expected == listed
        assert 404 == (await client.get("/agents/hitl/audit/nope")).status_code


async def test_pages() -> None:
    """Newest first by default; pages say what is before and behind them."""
    async with audited() as (_, client):
        page = (await client.get("/agents/hitl/audit", params={"page": 2, "limit": 5})).json()
        assert "Successfully retrieved 5 of 12 HITL audit records" == page["message"]
        fields = ("total", "page", "limit", "has_next", "has_prev")
        assert (12, 2, 5, True, True) == tuple(page[field] for field in fields)

        assert [6, 5, 4, 3, 2] == await numbers(client, page=2, limit=5)
        assert [1, 0] == await numbers(client, page=3, limit=5)
        assert [] == await numbers(client, page=4, limit=5)
        assert [0, 1] == await numbers(client, limit=2, sort_order="asc")


async def test_filters() -> None:
    """Decision, agent and dates narrow the list, alone and together."""
    async with audited() as (_, client):
        assert [10, 7, 4, 1] == await numbers(client, decision_type="rejected")
        assert [] == await numbers(client, decision_type="timeout")
        assert [6, 0] == await numbers(client, decision_type="approved", agent_id="agent-0")
        late = (NOON + timedelta(minutes=30)).isoformat()
        everything = await numbers(client)
        after, before = await numbers(client, start_date=late), await numbers(client, end_date=late)
        assert everything == after + before
        assert after
        assert before


@pytest.mark.parametrize(
    ("query", "error", "parameter"),
    [
        ({"sort_order": "invalid_value"}, "invalid_parameter", "sort_order"),
        ({"limit": "0"}, "invalid_parameter", "limit"),
        ({"limit": "101"}, "invalid_parameter", "limit"),
        ({"page": "0"}, "invalid_parameter", "page"),
        ({"decision_type": "timeout_skip"}, "invalid_parameter", "decision_type"),
        ({"start_date": "yesterday"}, "invalid_parameter", "start_date"),
        (
            {"start_date": "2025-10-10T00:00:00Z", "end_date": "2025-10-01T00:00:00Z"},
            "validation_error",
            "start_date",
        ),
    ],
)
async def test_errors(query: dict[str, str], error: str, parameter: str) -> None:
    """A parameter that the audit does not take is named, with its value."""
    async with audited() as (_, client):
        answer = await client.get("/agents/hitl/audit", params=query)

        said = answer.json()
        assert (400, error) == (answer.status_code, said["error"])
        assert query[parameter] in said["details"].values()
        assert "success" not in said


async def test_absent() -> None:
    """The audit is marked work in progress: on some platforms it is not there at all."""
    async with audited(quirks=Quirks(audited=False)) as (platform, client):
        assert 404 == (await client.get("/agents/hitl/audit")).status_code
        request_id = platform.decisions[0].request_id
        assert 404 == (await client.get(f"/agents/hitl/audit/{request_id}")).status_code
