"""What the platform's other answers mean: a clear yes, an error in its own words, an audit record, a wait."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http import retry_after
from adapters.platform import answers

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@given(st.binary(max_size=200))
def test_other_answers_never_crash(body: bytes) -> None:
    """Nothing that comes in place of an answer raises."""
    assert answers.took(body) in (True, False)
    assert len(answers.words_of(body)) <= answers.LONGEST_WORDS
    assert answers.audit_word(body, "r") in (None, *answers.AUDIT_WORDS)


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ('{"status": "ok", "message": "Request r approved"}', True),
        ('{"status": "OK"}', True),
        ('{"success": true}', True),
        ('{"success": true, "status": "error"}', False),
        ('{"success": false, "status": "ok"}', False),
        ('{"status": "queued"}', False),
        ("{}", False),
        ("[]", False),
        ("", False),
        ("<html>Welcome</html>", False),
    ],
)
def test_only_a_clear_yes_means_that_a_decision_was_taken(body: str, taken: bool) -> None:
    """A page, an error in a 200, or an empty answer is no yes."""
    assert taken is answers.took(body.encode())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"success": false, "error": "Conflict", "message": "already\\ndecided"}', "already decided"),
        ('{"error": "unauthorized", "message": "Authentication required"}', "Authentication required"),
        ('{"detail": "Not Found"}', "Not Found"),
        (
            '{"detail": [{"loc": ["body", "decision"], "msg": "wrong", "type": "t", "input": "secret"}]}',
            "body.decision: wrong",
        ),
        ('{"detail": [7, {"loc": 1, "msg": "wrong"}]}', "body: wrong"),
        (json.dumps({"message": "x" * 300}), "x" * 199 + "…"),
        ('{"message": "\\u001b[31mred\\u202e"}', "[31mred"),
        ('{"message": 7}', ""),
        ("<html>", ""),
    ],
)
def test_an_error_is_one_short_line(body: str, words: str) -> None:
    """Operators read the platform's own words, without line breaks, control signs or the input it repeats."""
    assert words == answers.words_of(body.encode())


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"success": True, "data": {"request_id": "r", "decision": "rejected"}}, "rejected"),
        ({"request_id": "r", "decision": "timeout"}, "timeout"),
        (
            {"data": [{"request_id": "x", "decision": "approved"}, {"request_id": "r", "decision": "skipped"}]},
            "skipped",
        ),
        ({"data": {"request_id": "another", "decision": "approved"}}, None),
        ({"data": {"request_id": "r", "decision": "pending"}}, None),
        ({"data": {"request_id": "r", "decision": ["approved"]}}, None),
        ({"data": None}, None),
        ([], None),
    ],
)
def test_the_audit_is_believed_about_the_asked_request_only(body: Any, word: str | None) -> None:
    """A record of another request, or a word that ends nothing, says nothing."""
    assert word == answers.audit_word(json.dumps(body).encode(), "r")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0.2", 1.0),
        ("-1", None),
        ("1e9", 31_622_400.0),
        ("inf", None),
        ("9" * 400, 31_622_400.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Fri, 02 Jan 2026 03:05:05 GMT", 60.0),
        ("Fri, 02 Jan 2026 03:05:05 -0000", 60.0),
        ("Fri, 02 Jan 1970 03:05:05 GMT", 1.0),
        ("Fri, 02 Jan 2026 03:05:05 +99999999999999999999", None),
    ],
)
def test_retry_after_is_bounded(header: str | None, seconds: float | None) -> None:
    """Nobody can make us wait for hours or hammer: seconds or a date, from 1 s to a year, or nothing."""
    assert seconds == retry_after(header, NOW, longest=answers.LONGEST_WAIT)
