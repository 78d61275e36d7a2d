"""Fixtures for pytest: a platform, a Slack, a Teams and a clock. `nod.testing` adds the bot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.servers import Sandbox, open_sandbox
from sandbox.testing.backstage import Backstage, backstage
from sandbox.testing.doubles import TestClock, TestPlatform, TestSlack, TestTeams

__all__ = [
    "TestClock",
    "TestPlatform",
    "TestSlack",
    "TestTeams",
    "nod_backstage",
    "nod_clock",
    "nod_platform",
    "nod_sandbox",
    "nod_slack",
    "nod_teams",
]


@pytest.fixture
def nod_backstage() -> Iterator[Backstage]:
    """The thread in which the other fixtures live."""
    with backstage() as stage:
        yield stage


@pytest.fixture
def nod_sandbox(nod_backstage: Backstage, request: pytest.FixtureRequest) -> Sandbox:
    """A platform, a Slack and, where it is asked for, a Teams, on one free port; empty for each test."""
    with_teams = "nod_teams" in request.fixturenames
    return nod_backstage.open(open_sandbox(post_burst=None, with_teams=with_teams))


@pytest.fixture
def nod_platform(nod_backstage: Backstage, nod_sandbox: Sandbox) -> TestPlatform:
    """The platform: agents ask there, and clients decide."""
    return TestPlatform(nod_backstage, nod_sandbox)


@pytest.fixture
def nod_slack(nod_backstage: Backstage, nod_sandbox: Sandbox) -> TestSlack:
    """The Slack beside `nod_platform`."""
    return TestSlack(nod_backstage, nod_sandbox)


@pytest.fixture
def nod_teams(nod_backstage: Backstage, nod_sandbox: Sandbox) -> TestTeams:
    """The Teams beside `nod_platform`."""
    if nod_sandbox.teams is None:
        pytest.fail(
            "nod_teams is opened with the sandbox: name it among the arguments of the test.", pytrace=False
        )
    return TestTeams(nod_backstage, nod_sandbox.teams)


@pytest.fixture
def nod_clock() -> TestClock:
    """A clock that stays where it is until it is moved."""
    return TestClock()
