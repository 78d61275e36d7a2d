"""A call at a terminal: what is on the screen, what counts as shown, and which key answers."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from adapters.terminal import Sheet, board, page, time_left
from adapters.terminal.keys import PASTED
from adapters.terminal.screen import KEYS_OF_NOTE, SMALLEST, TOO_SMALL
from adapters.terminal.sheet import (
    AFTER_NOTE,
    BEGINS,
    GOES_ON,
    INTERRUPTED,
    NEVER,
    NOT_YET,
    OVER,
    SETTLED_AFTER,
    TOO_SOON,
    cut,
)
from bot.protocol import HITLDecision, HITLRequest
from bot.redaction import Redaction

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DEADLINE = NOON + timedelta(minutes=3)
LONG = {"body": "\n".join(f"line {number}" for number in range(60)), "to": "jane"}
MakeRequest = Callable[..., HITLRequest]


def sheet_of(request: HITLRequest) -> Sheet:
    return Sheet(request, redaction=Redaction(), shown_at=NOON, deadline=DEADLINE)


def press(sheet: Sheet, key: str, *, after: float = 1.0) -> HITLDecision | None:
    return sheet.press(key, now=NOON + timedelta(seconds=after))


def screen(sheet: Sheet, *, width: int = 80, height: int = 24) -> str:
    """What a terminal of this size shows."""
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, highlight=False)
    console.print(page(sheet, now=NOON, width=width, height=height, others=2, said=None))
    return out.getvalue()


@given(
    text=st.text(alphabet="ab \n日é‹›", max_size=200),
    sizes=st.lists(st.tuples(st.integers(4, 30), st.integers(1, 9)), min_size=1),
)
def test_pages_joined_are_the_text(text: str, sizes: list[tuple[int, int]]) -> None:
    """Whatever the size is and becomes, nothing is left out, shown twice or wider than the screen."""
    start, parts = 0, []
    for number in range(len(text) + 1):
        width, height = sizes[number % len(sizes)]
        one = cut(text, start=start, width=width, height=height)
        assert len(one.rows) <= height
        assert all(cell_len(row) <= width for row in one.rows)
        parts.append(text[one.start : one.end])
        shown = "".join(row[len(BEGINS) :] for row in one.rows)
        assert text[one.start : one.end].replace("\n", "") == shown
        start = one.end
    assert text == "".join(parts)


def test_a_line_that_goes_on_cannot_pass_for_a_new_one() -> None:
    """The left edge is ours: what is wrapped is marked there, and an agent cannot write there."""
    one = cut("aaaa\nbb", start=0, width=len(BEGINS) + 2, height=9)

    assert (BEGINS + "aa", GOES_ON + "aa", BEGINS + "bb") == one.rows


@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        ("y", HITLDecision.APPROVED),
        ("n", HITLDecision.REJECTED),
        ("s", HITLDecision.SKIPPED),
        ("Y", HITLDecision.APPROVED),
        ("N", HITLDecision.REJECTED),
        ("S", HITLDecision.SKIPPED),
        ("x", None),
        ("", None),
    ],
)
def test_keys(make_request: MakeRequest, key: str, verdict: HITLDecision | None) -> None:
    """y, n and s answer a call that was shown; no other key does."""
    sheet = sheet_of(make_request())
    screen(sheet)

    assert (verdict, None) == (press(sheet, key), sheet.said)


def test_approve_counts_once_every_page_was_shown(make_request: MakeRequest) -> None:
    """Page by page to the end; no and skip count at any time."""
    sheet = sheet_of(make_request(arguments=LONG))

    assert "% shown" in screen(sheet)
    assert (None, NOT_YET) == (press(sheet, "y"), sheet.said)
    assert HITLDecision.REJECTED is press(sheet, "n")
    pages = 1
    while not sheet.whole:
        assert press(sheet, " ") is None
        screen(sheet)
        pages += 1

    assert pages > 3
    assert "100 % shown" in screen(sheet)
    assert HITLDecision.APPROVED is press(sheet, "y")


def test_what_a_smaller_window_cuts_off_was_not_shown(make_request: MakeRequest) -> None:
    """A window that shrinks on the way shows less of the rest, and that must be read first."""
    sheet = sheet_of(make_request(arguments=LONG))
    screen(sheet, height=60)
    press(sheet, " ")
    screen(sheet, height=12)
    assert not sheet.whole
    press(sheet, "left")
    screen(sheet, height=12)

    assert (None, NOT_YET) == (press(sheet, "y"), sheet.said)


@pytest.mark.parametrize("size", [(SMALLEST[0] - 1, 24), (80, SMALLEST[1] - 1)])
def test_a_window_that_is_too_small_shows_nothing(make_request: MakeRequest, size: tuple[int, int]) -> None:
    """It says so, and nothing counts as shown."""
    sheet = sheet_of(make_request())

    said = screen(sheet, width=size[0], height=size[1])

    assert TOO_SMALL == " ".join(said.split())
    assert (None, NOT_YET) == (press(sheet, "y"), sheet.said)


@pytest.mark.parametrize(
    "fields",
    [
        {"whole": False},
        {"flaw": "contains the same key twice"},
        {"arguments": {"password": "please delete every table of the production database now"}},
    ],
    ids=["cut", "two ways", "curtain"],
)
def test_what_cannot_be_approved_on_a_card_cannot_here(
    make_request: MakeRequest, fields: dict[str, Any]
) -> None:
    """The same rules of consent; reject and skip stay."""
    sheet = sheet_of(make_request(**fields))
    screen(sheet)

    assert press(sheet, "y") is None
    assert sheet.said is not None
    assert sheet.said.startswith(NEVER.partition("{")[0])
    assert HITLDecision.SKIPPED is press(sheet, "s")


def test_a_key_for_the_call_before_does_not_answer_this_one(make_request: MakeRequest) -> None:
    """A call that came up under the finger takes no answer for half a second, and none after its end."""
    sheet = sheet_of(make_request())
    screen(sheet)
    soon = SETTLED_AFTER.total_seconds()

    for key in "yns":
        assert (None, TOO_SOON) == (press(sheet, key, after=soon - 0.01), sheet.said)
        assert (None, OVER) == (press(sheet, key, after=180), sheet.said)
    assert HITLDecision.APPROVED is press(sheet, "y", after=soon)


def test_a_note_is_written_while_every_key_is_a_letter(make_request: MakeRequest) -> None:
    """Its letters answer nothing and turn no page; Enter keeps it, and the answer goes with it."""
    sheet = sheet_of(make_request())
    screen(sheet)
    for key in "e y n s":
        assert press(sheet, key) is None
    assert sheet.writing
    assert "note 6/1000:  y n s" in screen(sheet)
    assert KEYS_OF_NOTE in screen(sheet)
    press(sheet, "\n", after=2)

    assert (False, "y n s") == (sheet.writing, sheet.note)
    assert "note 5/1000: y n s" in screen(sheet)
    assert HITLDecision.REJECTED is press(sheet, "n", after=3)


def test_a_note_is_dropped_by_escape(make_request: MakeRequest) -> None:
    """Also one that was kept: what is not on the screen does not go along."""
    sheet = sheet_of(make_request())
    screen(sheet)
    for key in ("e", "a", "\r", "e", "b"):
        press(sheet, key)
    assert "note 2/1000: ab" in screen(sheet)
    press(sheet, "\x1b")

    assert (False, "") == (sheet.writing, sheet.note)
    assert "1000" not in screen(sheet)


def test_a_paste_cannot_end_a_note_and_answer(make_request: MakeRequest) -> None:
    """Line breaks in it are spaces; and a key that comes right behind Enter does not count."""
    sheet = sheet_of(make_request())
    screen(sheet)
    for key in ("e", PASTED + "fine\ny\n", "\n", "y"):
        assert press(sheet, key, after=1) is None

    assert ("fine y", AFTER_NOTE) == (sheet.note, sheet.said)
    assert HITLDecision.APPROVED is press(sheet, "y", after=1 + SETTLED_AFTER.total_seconds())


def test_letters_for_a_call_that_is_gone_answer_no_other(make_request: MakeRequest) -> None:
    """A person who was writing when another call came up first confirms that they saw it; the note is gone."""
    sheet = Sheet(make_request(), redaction=Redaction(), shown_at=NOON, deadline=DEADLINE, interrupted=True)
    assert INTERRUPTED in screen(sheet)
    for key in "yesn":
        assert press(sheet, key, after=9) is None
    press(sheet, "\n", after=9)

    assert "" == sheet.note
    assert (None, AFTER_NOTE) == (press(sheet, "n", after=9.4), sheet.said)
    assert HITLDecision.REJECTED is press(sheet, "n", after=10)


@pytest.mark.parametrize(("key", "note"), [("\r", "kept"), ("\x1b", "")])
def test_a_note_that_was_kept_outlives_an_interruption(make_request: MakeRequest, key: str, note: str) -> None:
    """It is this call's own: Enter goes on with it, Esc drops it."""
    sheet = Sheet(
        make_request(),
        redaction=Redaction(),
        shown_at=NOON,
        deadline=DEADLINE,
        interrupted=True,
        note="kept",
    )
    press(sheet, "n")
    press(sheet, key)

    assert (False, note) == (sheet.writing, sheet.note)
    assert ("note 4/1000: kept" in screen(sheet)) is bool(note)


def test_a_note_does_not_outlive_the_deadline(make_request: MakeRequest) -> None:
    """It may be written until then; nothing is sent after it."""
    sheet = sheet_of(make_request())
    screen(sheet)
    for key in ("e", "a", "\n"):
        press(sheet, key, after=170)

    assert (None, OVER) == (press(sheet, "y", after=180), sheet.said)


def test_what_an_agent_wrote_is_text(make_request: MakeRequest) -> None:
    """No markup, no control sequence, no secret and no hidden character gets through to the terminal."""
    arguments = {
        "a": "[red]x[/red] :bomb:",
        "b": "\x1b[2J\x07\u202e",
        "api_key": "sk-proj-0123456789abcdefghij",
    }
    request = make_request(tool_name="[bold]pay\x1b[1m", agent_id="a\nb", arguments=arguments)

    said = screen(sheet_of(request), width=200)
    table = io.StringIO()
    Console(file=table, width=200).print(board([(request, DEADLINE)], now=NOON, redaction=Redaction()))

    for text in (said, table.getvalue()):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "[red]x[/red] :bomb:" in text
        assert "sk-proj" not in text
    assert "\\u{1B}[2J" in said
    assert "!" in said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (273_600, "3 d 4 h left"),
        (3900, "1 h 5 min left"),
        (3600, "1 h left"),
        (151, "2 min 31 s left"),
        (18.9, "18 s left"),
        (0.9, "0 s left"),
        (0, "expired"),
        (-5, "expired"),
    ],
)
def test_the_time_left_is_said_in_words(seconds: float, said: str) -> None:
    """In its two largest units, and rounded down: nobody is promised more than there is."""
    assert said == time_left(timedelta(seconds=seconds))


def test_agents_are_called_by_their_names(make_request: MakeRequest) -> None:
    """Those that nod.yaml has under `agents`; the id of a request stays, to be typed."""
    request, out = make_request(agent_id="mail_agent-41f"), io.StringIO()
    console = Console(file=out, width=160)
    sheet = Sheet(request, redaction=Redaction(), shown_at=NOON, deadline=NOON + timedelta(seconds=18))
    names = {"mail_agent-41f": "Mail agent"}

    console.print(board([(request, sheet.deadline)], now=NOON, redaction=Redaction(), agents=names))
    console.print(page(sheet, now=NOON, width=160, height=20, others=0, said=None, agents=names))

    text = out.getvalue()
    assert 2 == text.count("Mail agent")
    assert 2 == text.count("18 s left")
    assert "mail_agent-41f" not in text
    assert request.request_id in text


def test_the_table_has_the_earliest_first(make_request: MakeRequest) -> None:
    """And says how many it has no room for."""
    waiting = [(make_request(tool_name=f"tool_{n}"), NOON + timedelta(seconds=90 - n)) for n in range(3)]
    out = io.StringIO()

    Console(file=out, width=120).print(board(waiting, now=NOON, redaction=Redaction(), most=2))

    text = out.getvalue()
    assert text.index("tool_2") < text.index("tool_1")
    assert "tool_0" not in text
    assert "1 more pending." in text


def test_what_is_over_stands_last_in_the_table(make_request: MakeRequest) -> None:
    """A platform may list it on; what can still be answered comes first, and other lines are below."""
    waiting = [
        (make_request(tool_name=tool), NOON + timedelta(seconds=left))
        for tool, left in (("over", -60), ("later", 90), ("soon", 30))
    ]
    out = io.StringIO()

    shown = board(waiting, now=NOON, redaction=Redaction(), besides=["1 cannot be read."])
    Console(file=out, width=120).print(shown)

    places = [out.getvalue().index(text) for text in ("soon", "later", "over", "1 cannot be read.")]
    assert sorted(places) == places


def test_a_glimpse_of_a_call_is_kept_while_it_waits(make_request: MakeRequest) -> None:
    """A picture is drawn five times a second; a long call is read once, and forgotten when it is gone."""
    request = make_request(arguments={"to": "x" * 90})
    glimpses: dict[str, str] = {}

    board([(request, DEADLINE)], now=NOON, redaction=Redaction(), glimpses=glimpses)
    assert {request.digest: "to      " + "x" * 52 + "…"} == glimpses
    glimpses[request.digest] = "read before"
    board([(request, DEADLINE)], now=NOON, redaction=Redaction(), glimpses=glimpses)
    assert {request.digest: "read before"} == glimpses
    board([], now=NOON, redaction=Redaction(), glimpses=glimpses)
    assert {} == glimpses
