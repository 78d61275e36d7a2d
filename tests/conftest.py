"""What all tests share: a clean environment, and factories for the core's values."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import structlog
from hypothesis import settings

from bot.approval import Actor, Approval, Decision, Stage
from bot.ladder import Deadline, DeadlineSource
from bot.matching import Match, Pattern
from bot.policy import Person, Policy
from bot.protocol import HITLDecision, HITLRequest
from bot.routing import Route
from bot.surface import Surface
from tests.servers.compiled_once import compile_once

if TYPE_CHECKING:
    from playwright.async_api import Browser

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

# One profile for every property: a loaded machine is no failure, CI draws the same examples each time, and
# no run depends on what an earlier one left on the disk.
settings.register_profile("nod", deadline=None, database=None, derandomize=bool(os.environ.get("CI")))
settings.register_profile("sample", settings.get_profile("nod"), max_examples=30)


def pytest_configure(config: pytest.Config) -> None:
    """`make test` draws a sample of each property; `make test-all` draws Hypothesis' usual number."""
    settings.load_profile("sample" if "not slow" in config.option.markexpr else "nod")
    gc.disable()  # until everything is collected: nothing of it is garbage
    _log_plainly()
    compile_once()


def _log_plainly() -> None:
    """As structlog does unasked, but for tracebacks: in frames and colours each takes longer than its test."""
    *before, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*before, plain])


#: How the tests end must not depend on the environment of the person who runs them.
for name in list(os.environ):
    if name.startswith(("AIP_", "DANGEROUSLY_", "GLAIP_", "MicrosoftApp", "NOD_TEAMS_", "SLACK_")) or name in (
        "NOD_CONFIG",
        "NOD_DATABASE_URL",
        "NOD_HOST",
        "NOD_ALLOW_PLAIN_HTTP",
        "NOD_LOG_FORMAT",
        "NOD_LOG_LEVEL",
        "NOD_PORT",
        "NOD_RELAY_TOKEN",
        "NOD_SECRET",
        "NOD_WEBHOOK_SECRET",
        "NOD_PAGERDUTY_URL",
        "NOD_OPSGENIE_URL",
        "NOD_KEEP_ALIVE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        *(form(name) for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY") for form in (str.lower, str.upper)),
    ):
        del os.environ[name]


#: Folders whose tests mostly wait, for real time and for one another's processes.
WAITING = frozenset({"faults", "sdk", "story"})
#: Those of this folder take next to no time.
QUICK = "unit"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that wait take turns with tests that compute, so that no core is idle; the quick ones come last."""
    waiting = [item for item in items if WAITING & set(item.path.parts)]
    quick = [item for item in items if QUICK in item.path.parts]
    computing = [item for item in items if not {*WAITING, QUICK} & set(item.path.parts)]
    turns = [
        (place / len(kind), number, item)
        for number, kind in enumerate((waiting, computing))
        for place, item in enumerate(kind)
    ]
    items[:] = [*(item for _, _, item in sorted(turns, key=lambda turn: turn[:2])), *quick]


def pytest_collection_finish() -> None:
    """Thousands of collected tests live as long as the session: looking through them for garbage takes time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)  # fourteen times Python's own: a third less time is spent looking
    gc.enable()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One headless Chromium for all tests of a worker; each opens a profile of its own in it."""
    from tests.servers.browser import open_browser  # half a second that only these tests pay

    async with open_browser() as chromium:
        yield chromium


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command that a test runs in this process configures logs, and the next test must not find them so."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def make_request() -> Callable[..., HITLRequest]:
    def make(**fields: Any) -> HITLRequest:
        usual: dict[str, Any] = {
            "request_id": "bc4d0a77-7800-470e-a91c-7fd663a66b4d",
            "tool_name": "send_email",
            "arguments": {"to": "jane.doe@example.com", "subject": "Offer"},
            "agent_id": "hitl_approval_agent-a44ac39b",
        }
        return HITLRequest(**(usual | fields))

    return make


@pytest.fixture
def make_approval(make_request: Callable[..., HITLRequest]) -> Callable[..., Approval]:
    def make(**fields: Any) -> Approval:
        usual: dict[str, Any] = {
            "request": fields.pop("request", None) or make_request(),
            "route": "default",
            "stage": Stage.OPEN,
            "first_seen": NOON,
            "deadline": Deadline(at=NOON + timedelta(minutes=3), source=DeadlineSource.TIMEOUT_AT),
        }
        return Approval(**(usual | fields))

    return make


@pytest.fixture
def make_decision() -> Callable[..., Decision]:
    def make(verdict: HITLDecision = HITLDecision.APPROVED, **fields: Any) -> Decision:
        actor = Actor(surface=Surface.SLACK, account="U0ANN", name="Ann Albers", email="ann@acme.example")
        usual: dict[str, Any] = {"actor": actor, "at": NOON + timedelta(minutes=1), "card_id": "card-1"}
        return Decision(verdict=verdict, **(usual | fields))

    return make


@pytest.fixture
def policy() -> Policy:
    people = {
        "ann": Person(
            handle="ann", name="Ann Albers", email="ann@acme.example", accounts={Surface.SLACK: "U0ANN"}
        ),
        "bob": Person(handle="bob", name="Bob Brandt", accounts={Surface.SLACK: "U0BOB"}),
        "eve": Person(handle="eve", name="Eve", accounts={Surface.SLACK: "U0EVE"}),
    }
    routes = (
        Route(name="nobody", match=Match(tool=Pattern(text="forbidden_*")), cards=(), approvers=()),
        Route(name="default", match=Match(), cards=(), approvers=("finance",)),
    )
    return Policy(people=people, groups={"finance": ("ann", "bob")}, routes=routes)
