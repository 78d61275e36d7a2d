"""Fixtures for pytest, so that a team can test its own approval flow without any account.

    pytest_plugins = ["nod.testing"]  # in the conftest.py at the root of the tests

Everything runs on loopback, in a thread of its own: a test may be plain or a coroutine, and the code under test
may block. Needs pytest, which Nod itself does not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.app import Nod, open_nod
from adapters.settings import Environment
from sandbox.servers import Sandbox
from sandbox.testing import (
    TestClock,
    TestPlatform,
    TestSlack,
    TestTeams,
    nod_backstage,
    nod_clock,
    nod_platform,
    nod_sandbox,
    nod_slack,
    nod_teams,
)
from sandbox.testing.backstage import Backstage

__all__ = [
    "TestClock",
    "TestPlatform",
    "TestSlack",
    "TestTeams",
    "nod_backstage",
    "nod_bot",
    "nod_clock",
    "nod_platform",
    "nod_sandbox",
    "nod_slack",
    "nod_teams",
]

#: Seals the buttons of a bot under test. Not a secret: it opens nothing but the sandbox.
_SEAL = "d1c7b09e5a2f48638f40be17c95d6ea2"


@pytest.fixture
def nod_bot(
    nod_backstage: Backstage, nod_sandbox: Sandbox, nod_slack: TestSlack, tmp_path: Path
) -> Callable[[str], Nod]:
    """`nod_bot(text)` runs Nod with this `nod.yaml` between the other fixtures, until the test ends.

    Once a test: one bot serves one platform. It reads the file again when `nod.yaml` in `tmp_path` changes.
    """
    running: list[Nod] = []

    def run(policy: str) -> Nod:
        if running:
            pytest.fail(
                "nod_bot is already running: one bot serves one platform. To change its policy, overwrite "
                "nod.yaml in tmp_path.",
                pytrace=False,
            )
        path = tmp_path / "nod.yaml"
        path.write_text(policy, encoding="utf-8")
        environment = Environment.model_validate(
            {
                **nod_slack.environment,
                "NOD_DATABASE_URL": f"sqlite:///{tmp_path}/nod.db",
                "NOD_CONFIG": str(path),
                "NOD_SECRET": _SEAL,
                "NOD_HOST": "127.0.0.1",
                "NOD_PORT": 0,
            }
        )
        nod = nod_backstage.open(open_nod(environment))
        running.append(nod)
        nod_slack.sends_clicks_to(f"{nod.address}/slack/events")
        if nod_sandbox.teams is not None:
            TestTeams(nod_backstage, nod_sandbox.teams).meets(f"{nod.address}/api/messages")
        return nod

    return run
