"""The platform's client, a platform behind it, and what goes wrong between them, for the contract tests."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from adapters.platform.answers import Limits
from adapters.platform.client import HttpPlatform, open_platform
from bot.errors import NodError
from bot.protocol import HITLDecision, HITLRequest, HITLResponse
from sandbox import platform as sandbox
from sandbox.faults import Faults
from sandbox.serve import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

KEY = "key-hunter2"
APPROVE = HITLResponse(decision=HITLDecision.APPROVED, operator_input="näh\ud83d")
QUICK = Limits(connect=0.3, read=0.3, total=0.6, audit=0.3)
PENDING, DECISION = "/agents/hitl/pending", "/agents/hitl/decision"


def now() -> datetime:
    return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def request_of(request_id: str = "r") -> HITLRequest:
    return HITLRequest(request_id=request_id, tool_name="t", arguments={}, agent_id="a", run_id="run")


@dataclass(frozen=True, kw_only=True)
class Rig:
    """The client, the platform behind it, and what goes wrong between them."""

    client: HttpPlatform
    inside: sandbox.Platform
    faults: Faults

    def ask(self) -> HITLRequest:
        return request_of(self.inside.ask(arguments={"amount": 12}))

    @property
    def posts(self) -> list[tuple[str, str]]:
        return [(post.request_id, post.decision) for post in self.inside.decisions]


@asynccontextmanager
async def open_rig(limits: Limits = QUICK, key: str = KEY) -> AsyncIterator[Rig]:
    faults = Faults()
    async with (
        sandbox.open_platform(api_key=KEY) as inside,
        serve(sandbox.platform_app(inside, faults=faults)) as url,
        open_platform(url, key, clock=now, limits=limits) as client,
    ):
        yield Rig(client=client, inside=inside, faults=faults)


@asynccontextmanager
async def answering(app: ASGIApp, limits: Limits = QUICK) -> AsyncIterator[HttpPlatform]:
    async with serve(app) as url, open_platform(url, KEY, clock=now, limits=limits) as client:
        yield client


async def failure_of_poll(rig: Rig, **rule: Any) -> NodError:
    rig.faults.add(path=PENDING, **rule)
    with pytest.raises(NodError) as caught:
        await rig.client.pending()
    return caught.value


async def failure_of_decision(rig: Rig, **rule: Any) -> NodError:
    request = rig.ask()
    rig.faults.add(path=DECISION, **rule)
    with pytest.raises(NodError) as caught:
        await rig.client.decide(request, APPROVE)
    return caught.value
