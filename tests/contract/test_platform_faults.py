"""The platform's client under faults: every trouble ends soon, in the error that says what to do next."""

from __future__ import annotations

import socket
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from adapters.platform.client import open_platform
from bot.errors import Forbidden, Gone, NodError, ShutOut, Unanswered, Unavailable
from tests.contract.platform_rig import (
    APPROVE,
    KEY,
    QUICK,
    Rig,
    failure_of_decision,
    failure_of_poll,
    now,
    open_rig,
    request_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with open_rig() as one:
        yield one


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"status": 503, "body": {"success": False, "message": "restarting"}}, Unavailable),
        ({"status": 500}, Unavailable),
        ({"status": 429}, Unavailable),
        ({"status": 200, "body": "<html>login</html>"}, Unavailable),
        ({"status": 200, "body": {"success": False, "data": []}}, Unavailable),
        ({"status": 200, "body": '[{"request_id": '}, Unavailable),
        ({"truncate": True}, Unavailable),
        ({"reset": True}, Unavailable),
        ({"delay": 0.7}, Unavailable),
        ({"drip": 0.1}, Unavailable),
        ({"status": 401, "body": {"success": False, "message": "no"}}, ShutOut),
        ({"status": 404}, Forbidden),
        ({"status": 307, "headers": {"location": "/elsewhere"}}, ShutOut),
    ],
    ids=str,
)
async def test_a_poll_that_failed_is_no_empty_list(
    rig: Rig, rule: dict[str, Any], expected: type[NodError]
) -> None:
    """Nothing may be concluded from trouble; it ends within its limits, and the next poll is good."""
    rig.ask()
    began = monotonic()
    assert expected is type(await failure_of_poll(rig, times=1, **rule))
    assert monotonic() - began < 2 * QUICK.total
    assert len((await rig.client.pending()).requests) == 1


@pytest.mark.parametrize(
    ("rule", "expected", "applied"),
    [
        ({"status": 503}, Unanswered, False),
        ({"after": True, "status": 502}, Unanswered, True),
        ({"reset": True}, Unanswered, False),
        ({"after": True, "reset": True}, Unanswered, True),
        ({"after": True, "truncate": True}, Unanswered, True),
        ({"after": True, "delay": 0.7}, Unanswered, True),
        ({"drip": 0.1}, Unanswered, True),
        ({"status": 200, "body": "<html>login</html>"}, Unanswered, False),
        ({"status": 200, "body": {"success": False}}, Unanswered, False),
        ({"status": 200, "body": {"status": "queued"}}, Unanswered, False),
        ({"status": 204}, Unanswered, False),
        ({"status": 429}, Unavailable, False),
        ({"status": 404}, Gone, False),
        ({"status": 409}, Gone, False),
        ({"status": 401}, ShutOut, False),
        ({"status": 422}, Forbidden, False),
        ({"status": 302, "headers": {"location": "/elsewhere"}}, ShutOut, False),
    ],
    ids=str,
)
async def test_a_decision_that_failed_says_whether_it_may_have_happened(
    rig: Rig, rule: dict[str, Any], expected: type[NodError], applied: bool
) -> None:
    """Sent at most once, whatever happens; only an answer that says so is a yes."""
    assert expected is type(await failure_of_decision(rig, **rule))
    assert applied is bool(rig.posts)
    assert len(rig.posts) <= 1


async def test_nobody_there_means_nothing_was_sent() -> None:
    """A refused connection is plainly Unavailable: the decision did not happen and may be sent again."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    async with open_platform(f"http://127.0.0.1:{port}", KEY, clock=now, limits=QUICK) as client:
        with pytest.raises(Unavailable) as poll:
            await client.pending()
        with pytest.raises(Unavailable) as decision:
            await client.decide(request_of(), APPROVE)
        assert await client.word_on("r") is None
    assert {Unavailable} == {type(poll.value), type(decision.value)}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("soon", None),
        ("-1", None),
        ("1e9", 31_622_400.0),
        ("Fri, 02 Jan 2026 03:04:25 GMT", 20.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_the_platform_may_ask_for_a_bounded_wait(
    rig: Rig, status: int, header: str | None, seconds: float | None
) -> None:
    """Retry-After is passed on, in seconds, from 1 s to a year; nonsense is as if it were not there."""
    headers = {} if header is None else {"retry-after": header}
    for error in (
        await failure_of_poll(rig, status=status, headers=headers),
        await failure_of_decision(rig, status=status, headers=headers),
    ):
        assert isinstance(error, Unavailable)
        assert seconds == error.retry_after


async def test_the_platforms_own_words_reach_the_operator(rig: Rig) -> None:
    """A refusal is told in the platform's words, one line, without our key even if it repeats the key."""
    error = await failure_of_decision(rig, status=403, body={"message": f"key {KEY}\nis\tblocked"})
    assert str(error) == "the platform answered 403: key [key] is blocked"


async def test_a_wrong_key_is_refused() -> None:
    """The real answer to a wrong key is Forbidden, for polls and for decisions."""
    async with open_rig(key="wrong") as rig:
        with pytest.raises(Forbidden, match="401: Invalid or missing API key"):
            await rig.client.pending()
        with pytest.raises(Forbidden, match="401: Invalid or missing API key"):
            await rig.client.decide(rig.ask(), APPROVE)
        assert await rig.client.word_on("r") is None


async def test_a_422_is_told_by_field(rig: Rig) -> None:
    """FastAPI's details become one line."""
    detail = [{"loc": ["body", "decision"], "msg": "Input should be 'approved'", "type": "literal_error"}]
    error = await failure_of_decision(rig, status=422, body={"detail": detail})
    assert str(error) == "the platform answered 422: body.decision: Input should be 'approved'"


@pytest.mark.parametrize(
    "rule",
    [
        {"status": 404},
        {"status": 500},
        {"status": 200, "body": "<html>"},
        {"status": 200, "body": {"data": {"request_id": "another", "decision": "approved"}}},
        {"reset": True},
        {"delay": 0.7},
        {"truncate": True},
    ],
    ids=str,
)
async def test_an_audit_in_trouble_says_nothing(rig: Rig, rule: dict[str, Any]) -> None:
    """It is optional: whatever is wrong with it is None, soon."""
    request = rig.ask()
    await rig.client.decide(request, APPROVE)
    rig.faults.add(path="/agents/hitl/audit/*", **rule)
    began = monotonic()
    assert await rig.client.word_on(request.request_id) is None
    assert monotonic() - began < 2 * QUICK.audit


async def test_a_missing_audit_is_logged_once(rig: Rig) -> None:
    """Many platforms have none; the log does not repeat it, and never holds a key."""
    with capture_logs() as logs:
        for _ in range(3):
            assert await rig.client.word_on("r") is None
    assert ["audit_record_missed"] == [line["event"] for line in logs]
    assert KEY not in str(logs)
