"""Logs are events; whatever goes wrong, no token or argument gets into them."""

import json
import subprocess
import sys

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from adapters.logs import _printable

PROGRAM = """
import structlog
from adapters.logs import configure_logs
configure_logs({form!r})
log = structlog.get_logger()
def broken(token):
    raise ValueError("it broke")
try:
    broken("xoxb-planted" + "-secret")
except ValueError:
    log.exception("piece_failed", approval_id="r1")
import logging
logging.getLogger("slack_sdk").debug("body with xoxb-planted-secret")
"""


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_traceback_shows_no_values(form: str) -> None:
    """The line of code is there, the value of its local variables is not; libraries' DEBUG lines are off."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(form=form)], capture_output=True, text=True, check=True
    )

    assert "piece_failed" in done.stderr
    assert "it broke" in done.stderr
    assert "xoxb-planted-secret" not in done.stderr + done.stdout


LEVELLED = """
import sys
import structlog
from adapters.logs import configure_logs
kept = []
def record(logger, method, event):
    kept.append(event["event"])
    return event
configure_logs("json", level={level!r}, record=record if {recorded} else None)
log = structlog.get_logger()
for name in ("info", "warning", "error"):
    getattr(log, name)("an_" + name)
print(*kept)
"""


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize(("level", "logged"), [("info", 3), ("warning", 2), ("error", 1)])
def test_a_level_leaves_out_what_is_below(level: str, logged: int, recorded: bool) -> None:
    """Of the log; a record of what was approved automatically has everything."""
    program = LEVELLED.format(level=level, recorded=recorded)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    names = ["an_info", "an_warning", "an_error"]
    assert names[-logged:] == [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert (names if recorded else []) == done.stdout.split()


SPEAKING = """
import json, logging, sys
import structlog
from adapters.logs import configure_logs
configure_logs({form!r})
log = structlog.get_logger()
for text in json.loads(sys.stdin.read()):
    log.info(text, **{{text: text, "held": {{text: [text]}}}})
    log.info("a_tuple", held=(text, object))
    logging.getLogger("bolt").warning("Unhandled request (%s)" + text, text)
    logging.getLogger("bolt").warning(f"Unhandled request ({{text}})\\n---\\n[Suggestion] planted-secret")
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("piece_failed")
        logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=True)
"""
HOSTILE = [
    "a\u202eb", "a\x9b31mb", "a\x1b[2Jb", "a\x85b", "a\u2028b", "a\rb", "a\x7fb", "a\x00b", "a\u200bb",
    "a\u2066b",
    "a\n2026-01-01T00:00:00Z [info     ] vote_counted person=ann", "a\ud800b", "a\U000e0041b",
]  # fmt: skip


def said(form: str, texts: list[str]) -> str:
    """What a program writes that logs these texts in every way."""
    done = subprocess.run(
        [sys.executable, "-c", SPEAKING.format(form=form)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_control_character_leaves_in_a_line(form: str) -> None:
    """Bidi controls, C0, C1 and what else does not print is spelled out, in values, keys and tracebacks."""
    lines = said(form, HOSTILE).split("\n")
    assert len(lines) > 6 * len(HOSTILE)
    assert [] == [line for line in lines if not line.isprintable()]
    events = [line for line in lines if not line.startswith("  ") and line]
    assert 6 * len(HOSTILE) == len(events)
    assert not [line for line in events if line.startswith("2026-01-01")]


@given(st.text(max_size=20), st.text(max_size=20), st.dictionaries(st.text(max_size=8), st.text(max_size=8)))
def test_whatever_is_said_stays_in_its_line(event: str, value: str, held: dict[str, str]) -> None:
    """All of Unicode, at every place of an event."""
    render = structlog.dev.ConsoleRenderer(colors=False)
    made = {"event": event, "value": value, value: event, "held": [held, (value,)], "kind": type(value)}
    line = render(None, "info", _printable(None, "info", made))
    assert str(line).isprintable()


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_a_library_says_has_no_values(form: str) -> None:
    """Who spoke, where, and the first words; no argument, no second line, no body."""
    text = "\n".join(line for line in said(form, ["xoxb-planted"]).split("\n") if "library_said" in line)
    assert "Unhandled request" in text
    assert "bolt" in text
    assert "Task exception was never retrieved" in text
    assert "planted-secret" not in text
    assert "Suggestion" not in text
    unhandled = [line for line in text.split("\n") if "Unhandled" in line]
    assert 2 == len(unhandled)
    assert not [line for line in unhandled if "xoxb-planted" in line]
