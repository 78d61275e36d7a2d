"""The operator's own shapes of secrets: found, or given up in time; then nothing is shown, nobody approves."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.settings import read_policy_file
from adapters.settings.shapes import MOST_PARTS, TimedShape, compiled
from bot.call import HIDES_TEXT, excerpt, hides_text, lines_of
from bot.errors import ConfigError
from bot.protocol import HITLRequest
from bot.redaction import ENOUGH, Redaction

#: Takes a time that doubles with each letter.
EVIL, HANGS = r"(?:a|aa)+$", "a" * 60 + "b"

FILE = """
people: {ann: {slack: U0ANN}}
routes: [{name: default, match: {}, cards: [slack:C0A], approvers: [ann]}]
redact:
  shapes:
    - 'ACME-[0-9]+'
    - %s
"""


def shape(pattern: str) -> TimedShape:
    """A shape as written in a file."""
    return TimedShape(compiled(pattern), where="nod.yaml, line 7")


class FakeShape:
    """A `bot.redaction.Shape` that finds nothing and takes as long as the test says."""

    pattern = "slow"

    def __init__(self, *, takes: float) -> None:
        self.takes = takes
        self.given: list[float] = []  #: seconds that were left, per text

    def spans(self, text: str, *, seconds: float) -> tuple[list[tuple[int, int]], float]:
        self.given.append(seconds)
        if self.takes > seconds:
            raise TimeoutError
        return [], self.takes


def test_what_the_operator_adds() -> None:
    """More names in any spelling, also such as only tell about one; more shapes, whole or in part."""
    redaction = Redaction(
        names=("employee number", "project_name"),
        shapes=(shape(r"ACME-\d+"), shape(r"case (?P<secret>\d+)")),
    )

    assert {
        "employeeNumber": "‹redacted 2 chars›",
        "project_name": "‹redacted 1 char›",
        "note": "‹redacted 6 chars› and case ‹redacted 2 chars›",
    } == redaction.redact({"employeeNumber": 17, "project_name": "x", "note": "ACME-1 and case 42"})


def test_a_group_that_takes_no_part_narrows_nothing() -> None:
    """Then all of the match is replaced; a text that no database could keep is searched as well."""
    redaction = Redaction(shapes=(shape(r"ACME(?:-(?P<secret>\d+))?"),))

    assert "‹redacted 4 chars› \ud800 ACME-‹redacted 2 chars›" == redaction.text("ACME \ud800 ACME-12")


def test_a_text_that_takes_too_long_is_hidden_whole(make_request: Callable[..., HITLRequest]) -> None:
    """Within its time, and with it the rest of the call; what comes before is shown, and nobody approves."""
    request = make_request(arguments={"to": "jane", "note": HANGS, "x": "y"})
    redaction = Redaction(shapes=(shape(EVIL),))

    began = time.thread_time()
    lines = lines_of(request, redaction=redaction)

    assert time.thread_time() - began < ENOUGH * 3
    note, rest = "‹redacted 61 chars of text›", "‹redacted 1 char of text›"
    assert {"to": "jane", "note": note, rest: rest} == {line.key.strip('"'): line.value for line in lines}
    assert hides_text(lines)
    assert HIDES_TEXT == excerpt(lines, request=request)[1]


def test_one_character_unsearched_is_a_curtain_too(make_request: Callable[..., HITLRequest]) -> None:
    """However short it is: what nobody searched, nobody approves."""
    request = make_request(arguments=["a"])

    lines = lines_of(request, redaction=Redaction(shapes=(FakeShape(takes=9),)))

    assert ["‹redacted 1 char of text›"] == [line.value for line in lines]
    assert hides_text(lines)


def test_all_texts_of_a_call_share_the_time() -> None:
    """A thousand short texts take no longer than one; each call has its full time, empty ones need none."""
    slow = FakeShape(takes=ENOUGH * 0.4)
    redaction = Redaction(shapes=(slow,))

    shown = redaction.redact(["", "1", "2", "3", "4"])

    hidden = "‹redacted 1 char of text›"
    assert ["", "1", "2", hidden, hidden] == shown
    assert [1.0, 0.6, 0.2] == [round(seconds / ENOUGH, 6) for seconds in slow.given]
    assert "1" == redaction.text("1")


def test_time_that_is_used_up_is_over_for_every_shape() -> None:
    """No search begins without any time."""
    first, second = FakeShape(takes=ENOUGH), FakeShape(takes=0)

    assert ["‹redacted 1 char of text›"] == Redaction(shapes=(first, second)).redact(["x"])
    assert [] == second.given


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_without_time_nothing_is_searched(seconds: float) -> None:
    """A limit below zero is none to the library, and must not become one."""
    with capture_logs(), pytest.raises(TimeoutError):
        shape("a").spans("a", seconds=seconds)


def test_running_out_of_time_is_told_once(tmp_path: Path) -> None:
    """With its file and line; neither the expression, which may hold a secret, nor the text is logged."""
    path = tmp_path / "nod.yaml"
    path.write_text(FILE % f"'{EVIL}'")
    redaction = read_policy_file(path).policy.redaction

    with capture_logs() as logs:
        for _ in range(3):
            redaction.text(HANGS)

    assert ["redaction_ran_out_of_time"] == [entry["event"] for entry in logs]
    assert f"{path}, line 7" == logs[0]["where"]
    assert EVIL not in str(logs)
    assert HANGS not in str(logs)


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("'('", "is not a regular expression (missing ) at position 1)"),
        ("'[a'", "is not a regular expression"),
        (r"'\p{Nonsense}'", "is not a regular expression (unknown property"),
        (r"'\L<names>'", "is not a regular expression"),
        ("'a{99999999999999999999}'", "has more than"),
        ("'(?:(?:[ab]{999})x){999}'", "has more than"),
        (f"'{'(?:' * 20}a{'){9}' * 20}'", "has more than"),
        ("'(?=a|)'", "matches empty text"),
        ("17", "must be a regular expression in quotes"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_its_line(tmp_path: Path, written: str, what: str) -> None:
    """Its line, what is wrong, what to do; a pattern that would fill the memory is never compiled."""
    path = tmp_path / "nod.yaml"
    path.write_text(FILE % written)

    with pytest.raises(ConfigError) as caught:
        read_policy_file(path)

    assert f"{path}, line 7" == caught.value.where
    assert f"redact.shapes.1 {what}" in caught.value.what
    assert "Correct it." == caught.value.fix


@pytest.mark.parametrize(
    "pattern",
    [
        r"[A-F0-9]{64}:[A-F0-9]{64}:[A-F0-9]{64}",
        r"eyJ[\w-]{8,2000}\.[\w-]{4,2000}\.[\w-]{0,2000}",
        r"(?<![\w{]{3})[\]{9}]\{9{9}(?:a{9})",
        f"x{{{MOST_PARTS - 1}}}",
    ],
)
def test_what_is_of_a_usual_size_is_taken(pattern: str) -> None:
    """Repeats beside one another add up and do not multiply; a brace in a class, or escaped, counts nothing."""
    assert pattern == shape(pattern).pattern
