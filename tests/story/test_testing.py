"""`adapters.testing`: a team tests its own approval flow with pytest, without an account."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.servers.town import POLICY

ROOT = Path(__file__).parents[2]

#: What such a team writes.
TESTS = """
import asyncio, time
import pytest
from adapters.platform import HITLClient
from bot import HITLDecision, HITLHandler, HITLResponse

NO = HITLResponse(decision=HITLDecision.REJECTED, operator_input="never")


def test_a_script(nod_platform):
    request_id = nod_platform.ask(tool="pay", arguments={"amount": 12})
    with HITLClient.sync(base_url=nod_platform.url, api_key=nod_platform.api_key) as client:
        assert [request_id] == [request.request_id for request in client.list_pending()]
        assert "approved" == client.approve(request_id).value
    assert (request_id,) == nod_platform.executed
    assert 409 == nod_platform.decide(request_id, "rejected")


def test_a_handler_under_faults(nod_platform, nod_clock):
    nod_platform.ask()
    rule = nod_platform.fault(path="/agents/hitl/decision", status=503, times=2)

    async def run():
        async with HITLClient(**settings) as client:
            handler = HITLHandler(lambda _: NO, client=client, clock=nod_clock, pause=nod_clock.pause)
            for request in await client.list_pending():
                await handler.handle(request)

    settings = {"base_url": nod_platform.url, "api_key": nod_platform.api_key}
    asyncio.run(run())
    assert (2, [1.0, 2.0]) == (rule.hits, nod_clock.pauses)
    assert ["rejected"] == [post.decision for post in nod_platform.decisions]
    nod_platform.mend()


def test_nothing_is_left_of_the_test_before(nod_platform, nod_clock):
    assert () == nod_platform.decisions
    assert [] == nod_clock.pauses


def test_people_in_slack(nod_platform, nod_slack, nod_bot, policy):
    nod_bot(policy)
    request_id = nod_platform.ask(tool="send_email", arguments={"to": "jane@example.com"})
    until(lambda: nod_slack.messages("C0APPROVALS"))
    card = nod_slack.messages("C0APPROVALS")[0]
    nod_slack.click(user="U0ANN", channel=card.channel, ts=card.ts, action_id="nod_approve")
    until(lambda: nod_platform.executed == (request_id,))


def test_people_in_teams(nod_platform, nod_teams, nod_bot, policy):
    nod_bot(policy.replace("cards: [slack:C0APPROVALS]", "cards: [teams:approvals]"))
    time.sleep(1)  # who is there is looked up behind the first word from Teams
    request_id = nod_platform.ask(tool="send_email", arguments={"to": "jane@example.com"})
    approvals = "19:approvals00000000000000000000001@thread.tacv2"
    until(lambda: nod_teams.cards(approvals))
    nod_teams.press("ann", nod_teams.cards(approvals)[0], "nod_approve")
    until(lambda: nod_platform.executed == (request_id,))


def until(true):
    for _ in range(1000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError
"""


def test_a_team_tests_its_own_flow(tmp_path: Path) -> None:
    """Scripts, handlers under faults, and the whole way through cards: all five of their tests pass."""
    (tmp_path / "conftest.py").write_text(
        "import pytest\n"
        'pytest_plugins = ["adapters.testing"]\n'
        f"@pytest.fixture\ndef policy():\n    return {POLICY!r}\n"
    )
    (tmp_path / "test_flow.py").write_text(TESTS)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:asyncio", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "5 passed" in done.stdout
