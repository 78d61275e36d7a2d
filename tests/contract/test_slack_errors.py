"""Whatever Slack or the way to it does wrong, the core hears what to do next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.chat.errors import AppRefused, Throttled, TooLarge
from adapters.slack.errors import APP_REFUSED, GONE, REMEDIES, THROTTLED, TROUBLED
from bot.errors import Forbidden, Gone, NodError, NotYet, Unanswered, Unavailable
from tests.contract.slack_rig import Rig, open_rig
from tests.render.cards import card

POST = "/api/chat.postMessage"
UPDATE = "/api/chat.update"
HISTORY = "/api/conversations.history"


async def error_of(rig: Rig, path: str, **fault: Any) -> NodError:
    """The error of one call that goes wrong like this."""
    ref = await rig.card_up() if path == UPDATE else "1.0"
    rig.faults.add(path=path, **fault)
    chat = rig.slack.chat
    calls = {
        POST: lambda: chat.post(card(), "C0APPROVALS"),
        UPDATE: lambda: chat.update(card(), "C0APPROVALS", ref),
        HISTORY: lambda: chat.find("m", "C0APPROVALS", since=datetime.now(UTC)),
    }
    with pytest.raises(NodError) as raised:
        await calls[path]()
    return raised.value


def no(code: str) -> dict[str, Any]:
    """HTTP 200 with Slack's way to say no."""
    return {"status": 200, "body": {"ok": False, "error": code}}


CODES = [
    *((code, Gone) for code in sorted(GONE)),
    *((code, Throttled) for code in sorted(THROTTLED)),
    *((code, Unavailable) for code in sorted(TROUBLED)),
    *((code, AppRefused) for code in sorted(APP_REFUSED)),
    *((code, Forbidden) for code in sorted(REMEDIES.keys() - APP_REFUSED - {"msg_blocks_too_long"})),
    ("msg_blocks_too_long", TooLarge),
    ("some_code_of_tomorrow", Forbidden),
]


@pytest.mark.parametrize(("code", "expected"), CODES)
async def test_every_code_says_what_to_do(code: str, expected: type[NodError]) -> None:
    """A code of Slack's becomes exactly one of: wait, it is gone, tell an operator."""
    async with open_rig() as rig:
        error = await error_of(rig, UPDATE, **no(code))
        assert expected is type(error) or (expected is Unavailable and isinstance(error, Unavailable))
        assert not isinstance(error, Unanswered)


LOST: dict[str, dict[str, Any]] = {
    "reset": {"reset": True},
    "applied and reset": {"reset": True, "after": True},
    "cut in the body": {"truncate": True},
    "html": {"status": 200, "body": "<html>", "headers": {"content-type": "text/html"}},
    "plain text": {"status": 200, "body": "oops"},
    "a list": {"status": 200, "body": ["oops"]},
    "broken json": {"status": 200, "body": "{", "headers": {"content-type": "application/json"}},
    "deep json": {"status": 200, "body": "[" * 50_000, "headers": {"content-type": "application/json"}},
    "no utf-8": {"status": 200, "body": "ÿ", "headers": {"content-type": "application/json; charset=utf-16"}},
    "ok without ts": {"status": 200, "body": {"ok": True}},
    "http 500": {"status": 500, "body": "x"},
    "http 503 json": {"status": 503, "body": {"ok": False, "error": "service_unavailable"}},
    "http 504 html": {"status": 504, "body": "<html>", "headers": {"content-type": "text/html"}},
    "fatal_error": no("fatal_error"),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST.keys())
async def test_a_post_whose_answer_is_lost_may_be_up(fault: dict[str, Any]) -> None:
    """Then the core looks before it posts again."""
    async with open_rig() as rig:
        assert Unanswered is type(await error_of(rig, POST, **fault))


@pytest.mark.parametrize("path", [UPDATE, HISTORY])
@pytest.mark.parametrize("fault", [LOST[name] for name in LOST if name != "ok without ts"])
async def test_anything_else_is_simply_tried_again(path: str, fault: dict[str, Any]) -> None:
    """An update or a look may be repeated without harm."""
    async with open_rig() as rig:
        assert isinstance(error := await error_of(rig, path, **fault), Unavailable)
        assert not isinstance(error, Unanswered)


@pytest.mark.parametrize(
    ("status", "expected"), [(400, AppRefused), (403, AppRefused), (404, AppRefused), (408, Unanswered)]
)
async def test_a_refusal_by_something_on_the_way(status: int, expected: type[NodError]) -> None:
    """A proxy's no is a no that waiting does not mend."""
    async with open_rig() as rig:
        error = await error_of(rig, POST, status=status, body="<html>", headers={"content-type": "text/html"})
        assert expected is type(error)


@pytest.mark.parametrize(("asked", "wait"), [("7", 7.0), ("soon", 1.0), ("-1", 1.0), ("1e9", 300.0)])
async def test_too_fast_names_the_wait(asked: str, wait: float) -> None:
    """429 with any Retry-After becomes a wait within reason, and until then nothing is sent there."""
    async with open_rig() as rig:
        rule = {"status": 429, "body": {"ok": False, "error": "ratelimited"}, "headers": {"Retry-After": asked}}
        error = await error_of(rig, POST, **rule)
        assert (NotYet, wait) == (type(error).__mro__[1], getattr(error, "retry_after", None))
        rig.faults.clear()
        calls = len(rig.workspace.calls)
        with pytest.raises(Unavailable):
            await rig.slack.chat.post(card(), "C0APPROVALS")
        assert calls == len(rig.workspace.calls)
        await rig.slack.chat.post(card(), "C0FINANCE")


async def test_a_missing_scope_is_named() -> None:
    """The operator reads which one to add."""
    async with open_rig() as rig:
        body = {"ok": False, "error": "missing_scope", "needed": "chat:write", "provided": "users:read"}
        error = await error_of(rig, POST, status=200, body=body)
        assert "chat:write" in str(error)


async def test_slack_out_of_reach_is_unavailable() -> None:
    """A connection that was never made did nothing: the post cannot be up."""
    async with open_rig() as rig:
        client = rig.slack.chat._api._client
        client.base_url = "http://127.0.0.1:1/api/"
        with pytest.raises(Unavailable) as raised:
            await rig.slack.chat.post(card(), "C0APPROVALS")
        assert Unavailable is type(raised.value)
