"""The machine's clock is set while requests wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.app import open_nod
from adapters.settings import Environment
from sandbox.servers import open_sandbox
from tests.servers.system import ANN, System, environment, until

HOUR = timedelta(hours=1)


class Wall:
    """A wall clock that can be set."""

    def __init__(self) -> None:
        self.set = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.set


@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_what_is_listed_stays_open(tmp_path: Path, step: timedelta) -> None:
    """Ten requests: none is called expired, people still decide, and an operator hears of the clock."""
    wall = Wall()
    async with open_sandbox(post_burst=4) as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        settings = Environment.model_validate(environment(sandbox, tmp_path))
        async with open_nod(settings, clock=wall) as nod:
            system.nod, sandbox.workspace.request_url = nod, f"{nod.address}/slack/events"
            request_id = system.ask(timeout_seconds=60)
            card = await system.shown()
            for _ in range(9):
                system.ask(timeout_seconds=120)
            await until(lambda: len(rows(system, "admitted")) == 10, what="all of them")
            wall.set = step
            await until(
                lambda: any("the platform's" in alert for alert in system.alerts()), within=10, what="the alert"
            )
            await system.press(ANN, card, "approve")
            await until(lambda: system.posts(request_id) == [200], within=10, what="the decision")
            assert {"approved"} >= {row["body"]["outcome"] for row in rows(system, "settled")}


def rows(system: System, kind: str) -> list[dict[str, Any]]:
    """The audit's rows of a kind."""
    return [row for row in system.audit() if row["kind"] == kind]
