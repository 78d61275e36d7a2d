"""`nod.testing`: a team tests its own approval flow with pytest, without an account."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox.testing.backstage import Backstage
from tests.servers.system import POLICY
from tests.servers.team import run_tests

CONFTEST = f"import pytest\n@pytest.fixture\ndef policy():\n    return {POLICY!r}\n"

#: What such a team writes.
TESTS = """
import asyncio, time
import pytest
from nod import HITLClient, HITLDecision, HITLHandler, HITLResponse

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


def test_a_reason_that_is_required(nod_platform, nod_slack, nod_bot, policy):
    nod_bot(policy.replace("cards: [slack:C0FINANCE]", "cards: [slack:C0APPROVALS]"))
    request_id = nod_platform.ask(tool="pay_invoice", arguments={"amount": 12})
    until(lambda: nod_slack.messages("C0APPROVALS"))
    card = nod_slack.messages("C0APPROVALS")[0]
    nod_slack.click(user="U0EVE", channel=card.channel, ts=card.ts, action_id="nod_reject")
    until(lambda: nod_slack.whispers("U0EVE"))
    nod_slack.click(user="U0BOB", channel=card.channel, ts=card.ts, action_id="nod_reject")
    until(lambda: nod_slack.forms("U0BOB"))
    (form,) = nod_slack.forms("U0BOB")
    assert nod_slack.submit("U0BOB", form).errors
    assert nod_slack.submit("U0BOB", form, nod_note="over budget").ok
    until(lambda: [post.decision for post in nod_platform.decisions] == ["rejected"])
    assert "over budget" in nod_platform.decisions[0].operator_input


def test_an_agent_of_our_own(nod_platform):
    nod_platform.agent(
        name="payer",
        tools=["pay"],
        agent_config={"hitl_enabled": True},
        tool_configs={"pay": {"hitl": {"timeout_seconds": 30}}},
    )
    run_id = nod_platform.run("payer", '{"pay": {"amount": 7}}')
    with HITLClient.sync(base_url=nod_platform.url, api_key=nod_platform.api_key) as client:
        until(client.list_pending)
        (request,) = client.list_pending()
        assert ({"amount": 7}, run_id) == (request.arguments, request.run_id)
        nod_platform.behaves(forgiving=True, audited=False)
        client.approve(request)
        assert "rejected" == client.reject(request).value  # a platform without an audit cannot tell
    until(lambda: nod_platform.transcript[-1].kind == "finished")
    assert (request.request_id,) == nod_platform.executed


def until(true):
    for _ in range(1000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError
"""


def test_a_team_tests_its_own_flow(tmp_path: Path) -> None:
    """Scripts, handlers under faults, and the whole way through cards: all of their tests pass."""
    done = run_tests(tmp_path, TESTS, conftest=CONFTEST)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "7 passed" in done.stdout


#: What such a team gets wrong, and the message they read.
MISTAKES = """
from nod.testing import TestPlatform


def test_teams_too_late(nod_platform, request):
    request.getfixturevalue("nod_teams")


def test_two_bots(nod_platform, nod_bot, policy):
    nod_bot(policy)
    nod_bot(policy)


def test_a_policy_that_is_none(nod_platform, nod_bot):
    nod_bot("routes: [")
"""


def test_mistakes_are_told(tmp_path: Path) -> None:
    """In words, with what to do; and the next test is not disturbed."""
    done = run_tests(tmp_path, MISTAKES, conftest=CONFTEST)

    assert "name it among the arguments of the test" in done.stdout
    assert "one bot serves one platform" in done.stdout
    assert "ConfigError: " in done.stdout
    assert "3 failed" in done.stdout
    assert "error" not in done.stdout.splitlines()[-1]


def test_what_fails_to_close_does_not_keep_the_others_open() -> None:
    """Everything is closed, the last one first, and then the first failure is raised."""
    closed: list[str] = []

    @asynccontextmanager
    async def opened(name: str, *, fails: bool = False) -> AsyncIterator[None]:
        yield
        closed.append(name)
        if fails:
            raise OSError(name)

    stage = Backstage()
    stage.open(opened("first"))
    stage.open(opened("second", fails=True))
    stage.open(opened("third", fails=True))

    with pytest.raises(OSError, match="third"):
        stage.close()
    assert ["third", "second", "first"] == closed


def test_what_cannot_be_opened_in_time_is_not_left_behind() -> None:
    """It is given up, and ended."""
    ended = threading.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[None]:
        try:
            await asyncio.sleep(30)
            yield
        finally:
            ended.set()

    stage = Backstage(patience=0.1)
    with pytest.raises(TimeoutError):
        stage.open(slow())
    assert ended.wait(5)
    stage.close()
