"""Only what Slack signed comes in, and whatever comes gets a 4xx, never a crash."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.slack.receive import receive
from adapters.slack.verify import BODY, Verdict, verify
from bot.ports import NO_METRICS
from tests.fakes import Counting

SECRET = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"


def form(payload: object) -> bytes:
    """A payload as Slack posts it."""
    return urlencode({"payload": payload if isinstance(payload, str) else json.dumps(payload)}).encode()


GOOD = form({"type": "block_actions", "actions": []})


def signed(
    body: bytes, *, at: int | str | None = None, kind: str = FORM, secret: str = SECRET
) -> dict[str, str]:
    """The headers that Slack would send with these bytes."""
    timestamp = str(int(NOW.timestamp()) if at is None else at)
    base = b"v0:" + timestamp.encode("utf-8", "surrogateescape") + b":" + body
    signature = "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return {"Content-Type": kind, "X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature}


def status(headers: dict[str, str], body: bytes) -> int:
    """What the check answers."""
    return verify(headers, body, secret=SECRET, now=NOW).status


def test_slacks_own_request_passes() -> None:
    """A form and a JSON body of Slack's, signed now, go on to bolt, whatever the case of the header names."""
    read = {"type": "block_actions", "actions": []}
    assert Verdict(200, "ok", payload=read) == verify(signed(GOOD), GOOD, secret=SECRET, now=NOW)
    assert 200 == status({name.upper(): value for name, value in signed(GOOD).items()}, GOOD)
    body = json.dumps({"type": "url_verification", "challenge": "c"}).encode()
    assert 200 == status(signed(body, kind="application/json; charset=utf-8"), body)


@given(st.binary(max_size=60).filter(lambda text: not set(text) & {*b'"\\', *range(32)}), st.text(max_size=9))
def test_bolt_is_given_what_was_checked(text: bytes, safe: str) -> None:
    """A payload is read as urllib reads the form, whatever is escaped in it, and handed on as it was read."""
    body = b"payload=" + quote_plus(b'{"type":"block_actions","is":"' + text + b'"}', safe=safe).encode()
    verdict = verify(signed(body), body, secret=SECRET, now=NOW)

    assert verdict.status == 400 or verdict.payload == json.loads(parse_qs(body.decode())["payload"][0])


@pytest.mark.parametrize(("late", "expected"), [(0, 200), (300, 200), (-300, 200), (301, 401), (-301, 401)])
def test_five_minutes_and_no_longer(late: int, expected: int) -> None:
    """A genuine signature is good for five minutes around its timestamp."""
    assert expected == status(signed(GOOD, at=int(NOW.timestamp()) - late), GOOD)


@pytest.mark.parametrize("timestamp", ["", "abc", "-1", "1e9", "٣٤٥", "9" * 5_000, " 1", "1\udc80", "0x10"])
def test_a_garbage_timestamp_is_refused(timestamp: str) -> None:
    """What is no plain number of seconds is 401, also with a matching signature."""
    assert 401 == status(signed(GOOD, at=timestamp), GOOD)


@pytest.mark.parametrize("signature", ["", "v0=", "v0=" + "0" * 64, "é" * 64, "v0=\udcff", "0" * 100_000])
def test_a_forged_signature_is_refused(signature: str) -> None:
    """Wrong, empty, endless or non-ASCII: 401."""
    assert 401 == status(signed(GOOD) | {"X-Slack-Signature": signature}, GOOD)


def test_a_signature_is_for_these_bytes_and_this_secret() -> None:
    """One changed byte, another secret, or no headers at all: 401."""
    assert 401 == status(signed(GOOD), GOOD + b"&")
    assert 401 == status(signed(GOOD, secret="another secret of that length"), GOOD)
    assert 401 == status(signed(GOOD, secret=""), GOOD)
    assert 401 == status({}, GOOD)


def test_a_huge_body_is_refused_before_anything_else() -> None:
    """10 MB cost no hashing and no parsing: 413, signed or not."""
    body = b"x" * (BODY + 1)
    assert 413 == status(signed(body), body)
    assert 413 == status({}, b"x" * 10_000_000)
    full = GOOD + b"&" * (BODY - len(GOOD))
    assert 400 == status(signed(full), full)


BROKEN = {
    "empty": b"",
    "no form": b"\xff\xfe",
    "no payload": b"a=b",
    "an empty field beside it": b"a=&" + GOOD,
    "half a field beside it": b"a&" + GOOD,
    "two payloads": GOOD + b"&" + GOOD,
    "no json": form("{"),
    "a list": form("[]"),
    "a number": form("7"),
    "an endless number": form("[" + "9" * 5_000 + "]"),
    "no type": form({}),
    "a type that Slack does not have": form({"type": "shortcuts"}),
    "a command beside a payload": form("{") + b"&command=%2Fnod",
    "a command with half a field": b"command=%2Fnod&text",
    "a command beside an empty payload": b"command=%2Fnod&payload=",
    "a command with too many fields": b"command=%2Fnod" + b"&f=1" * 40,
    "two commands": b"command=%2Fnod&command=%2Fnod",
    "a command without a slash": b"command=nod&text=x",
    "a type that is a list": form({"type": ["block_actions"]}),
    "deep": form("[" * 50_000),
    "deep and closed": form('{"type": "block_actions", "a": ' + "[" * 900 + "]" * 900 + "}"),
    "many fields": b"&".join(b"f%d=1" % n for n in range(1_000)),
    "half a surrogate pair": form('{"type": "block_actions", "a": "\\ud800"}'),
    "many values": form({"type": "block_actions", "a": list(range(30_000))}),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_signed_body_of_another_shape_is_a_400(body: bytes) -> None:
    """Signed but unreadable: 400, where stock bolt answers 500."""
    assert 400 == status(signed(body), body)


UNUSED_BY_NOD = {
    "an event": (
        json.dumps({"type": "event_callback", "event": {"type": "app_mention"}}).encode(),
        "application/json",
    ),
    "events that are too many": (b'{"type": "app_rate_limited"}', "application/json"),
    "a command": (b"token=x&command=%2Fnod&text=&user_id=U1", "application/x-www-form-urlencoded"),
    "a command with many fields": (b"command=%2Fnod" + b"&f=1" * 39, "application/x-www-form-urlencoded"),
    "a shortcut": (form({"type": "shortcut"}), "application/x-www-form-urlencoded"),
    "a form that was closed": (form({"type": "view_closed"}), "application/x-www-form-urlencoded"),
}


@pytest.mark.parametrize(("body", "kind"), UNUSED_BY_NOD.values(), ids=UNUSED_BY_NOD)
async def test_what_nod_does_not_use_is_taken(body: bytes, kind: str) -> None:
    """200 without a word and without a trace in the log; unsigned it is 401 like everything else."""
    counted = Counter[str]()
    nobody: Any = None  # it never gets to bolt
    with capture_logs() as logs:
        answer = await receive(
            signed(body, kind=kind),
            body,
            app=nobody,
            secret=SECRET,
            now=NOW,
            metrics=Counting(lambda name: counted.update([name])),
            late=set(),
        )
    assert (200, {}, b"") == answer
    assert {"slack_request_not_used": 1} == counted
    assert [] == logs
    assert 401 == status(signed(body, kind=kind, secret="another secret of that length"), body)
    assert Verdict(200, "not used", used=False) == verify(signed(body, kind=kind), body, secret=SECRET, now=NOW)


def test_another_content_type_is_a_400() -> None:
    """Only forms and JSON are read."""
    assert 400 == status(signed(GOOD, kind="text/plain"), GOOD)
    assert 400 == status({k: v for k, v in signed(GOOD).items() if k != "Content-Type"}, GOOD)


@given(st.binary(max_size=300), st.dictionaries(st.text(max_size=30), st.text(max_size=30), max_size=4))
def test_nothing_makes_it_crash(body: bytes, headers: dict[str, str]) -> None:
    """Any bytes with any headers get an answer below 500, and unsigned ones never a 200."""
    assert status(headers, body) in (401, 413)
    assert status(signed(body), body) in (200, 400, 413)


async def test_a_refusal_names_the_cause_and_nothing_of_the_body() -> None:
    """Logs say that something was refused and why; a token or an argument in the body never gets there."""
    counted = Counter[str]()
    body = form({"type": "secret-word"})
    with capture_logs() as logs:
        code, _, text = await receive(
            signed(body),
            body,
            app=None,  # type: ignore[arg-type]  # a refused request never gets to bolt
            secret=SECRET,
            now=NOW,
            metrics=Counting(lambda name: counted.update([name])),
            late=set(),
        )
    assert 400 == code
    assert ["slack_request_refused"] == [entry["event"] for entry in logs]
    assert "secret-word" not in repr(logs) + repr(text)
    assert {"slack_request_refused": 1} == counted


async def test_without_a_secret_nothing_comes_in() -> None:
    """In Socket Mode without a signing secret every HTTP request is turned away: no key, no check, no entry."""
    code, _, _ = await receive(
        signed(GOOD, secret=""),
        GOOD,
        app=None,  # type: ignore[arg-type]  # a refused request never gets to bolt
        secret=None,
        now=NOW,
        metrics=NO_METRICS,
        late=set(),
    )
    assert 404 == code
