"""What takes a card's place for one person: forms, pages, answers and refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from adapters.chat.labels import FROM_PAGE_ONE
from adapters.chat.paging import GOES_ON, PageState, QueueCursor
from adapters.chat.payload import Malformed
from adapters.chat.text import BLANK, EXPLAINED
from adapters.teams.buttons import Asks, Data, data_from, reason_inputs
from adapters.teams.modals import (
    LONGEST_LINE,
    done_view,
    explanation_view,
    pages_of,
    reason_view,
    refusal_view,
    turned_content,
    whole_content,
)
from bot.approval import LONGEST_NOTE
from bot.call import lines_of, text_of
from bot.card import Button
from bot.desk import FormData
from bot.errors import Refusal
from bot.redaction import Redaction
from bot.routing import ReasonRule
from bot.surface import Destination, Surface
from tests.render.cards import approval, card, explanation, not_counted, reading, request, shown, vote
from tests.render.teams_parts import CONTEXT, call_of, checked, nodes, runs, titles

QUEUE = QueueCursor(value="v1.k.digest-1.next.-.s", after="c0ffee")
LONG = {"body": "\n".join(f"line {n}" for n in range(200))}


def asked(arguments: Any = None, **more: Any) -> FormData:
    """What the desk tells about a call."""
    req = request(arguments) if arguments is not None else request()
    usual: dict[str, Any] = {
        "card": shown(approval(req)),
        "call": text_of(lines_of(req, redaction=Redaction())),
        "approvable": True,
        "reason": ReasonRule.NONE,
        "approve_value": "v1.k.c0ffee.approve.d.s",
    }
    usual["reading"] = reading(str(more.get("call", usual["call"])))
    return FormData(**{**usual, **more})


def pressed(which: Button, **more: Any) -> Data:
    """A button as it was pressed."""
    return Data(verb=which.value, value="v1.k.c0ffee.x.d.s", channel="approvals", **more)


@pytest.mark.parametrize("rule", [ReasonRule.REQUIRED, ReasonRule.OPTIONAL])
@pytest.mark.parametrize("presets", [(), ("too expensive", "wrong person"), tuple(f"r{n}" for n in range(9))])
def test_reason_form(rule: ReasonRule, presets: tuple[str, ...], snapshot: SnapshotAssertion) -> None:
    """Words, and above them what can be picked: five are shown, more are a menu."""
    given_one = asked(reason=rule, presets=presets)
    assert snapshot == checked(reason_view(given_one, pressed(Button.REJECT), CONTEXT))


def test_a_form_says_what_is_decided_and_whether_a_reason_is_needed() -> None:
    """The heading names the tool, one line the first arguments, and a field that is needed says so."""
    form = asked({"amount": 950.5, "payee": "Acme GmbH"}, reason=ReasonRule.REQUIRED)
    view = checked(reason_view(form, pressed(Button.REJECT), CONTEXT))
    assert {"Reject send_email", "amount 950.5 · payee Acme GmbH"} <= set(runs(view))
    (field,) = [node for node in nodes(view) if node["type"] == "Input.Text"]
    assert ("Reason (shared with the agent)", "Required") == (field["label"], field["placeholder"])


def test_words_leave_room_for_the_reason_that_is_picked() -> None:
    """What is picked and what is written reach the agent together, within the longest note."""
    typed = reason_inputs("Why?", Asks(presets=("x" * 100,)))[1]
    assert LONGEST_NOTE == typed["maxLength"] + len("x" * 100 + ": ")
    assert [] == reason_inputs("Why?", Asks(rule=ReasonRule.NONE))


def test_presets_of_every_odd_shape_make_a_form() -> None:
    """Empty, endless, twice the same, a hundred of them: the form fits and Teams takes it."""
    presets = ("", " ", "a", "a", "x" * 500, "\u202e", *(f"{'ü' * 140}{n}" for n in range(100)))
    content = checked(
        reason_view(asked(reason=ReasonRule.OPTIONAL, presets=presets), pressed(Button.REJECT), CONTEXT)
    )
    (menu,) = [node for node in nodes(content) if node["type"] == "Input.ChoiceSet"]
    values = [choice["value"] for choice in menu["choices"]]
    assert "\\u{202E}" in values
    assert len(values) == len(set(values))
    assert all(values)


def test_page_of_a_short_call(snapshot: SnapshotAssertion) -> None:
    """One page with all of it, and Approve below."""
    content = checked(whole_content(asked(), CONTEXT))
    assert ["Approve", "Back to the card"] == titles(content)
    assert snapshot == content


def test_pages(snapshot: SnapshotAssertion) -> None:
    """Approve is on the last page once every page was shown; back and forth keeps what was seen."""
    one = asked(LONG)
    first = checked(whole_content(one, CONTEXT))
    assert ["Back to the card"] == titles(first)
    assert snapshot == first
    seen = first
    last = len(pages_of(one.call))
    for page in range(2, last + 1):
        assert "Approve" not in titles(seen)
        seen = checked(turned_content(one, turn_of(seen, "Next page"), CONTEXT))
        assert f"Page {page} of {last}" in runs(seen)
    assert "Approve" in titles(seen)
    back = checked(turned_content(one, turn_of(seen, "Previous page"), CONTEXT))
    assert "Approve" not in titles(back)
    assert "Approve" in titles(checked(turned_content(one, turn_of(back, "Next page"), CONTEXT)))


def turn_of(content: dict[str, Any], title: str) -> Data:
    """What the button with this title brings back."""
    (data,) = [
        node["data"] for node in nodes(content) if node["type"] == "Action.Execute" and node["title"] == title
    ]
    return data_from(data)


def test_a_page_that_was_left_out_leaves_no_approve() -> None:
    """A person who skips a page reaches the last one without Approve."""
    one = asked(LONG)
    data = turn_of(whole_content(one, CONTEXT), "Next page")
    assert data.state is not None
    assert data.state.pages > 2
    leapt = replace(data, state=replace(data.state, page=data.state.pages - 2))
    content = checked(turned_content(one, leapt, CONTEXT))
    assert f"Page {data.state.pages} of {data.state.pages}" in runs(content)
    assert "Approve" not in titles(content)


def test_another_text_begins_anew() -> None:
    """A call that changed between two pages is read from the beginning, and says so."""
    data = turn_of(whole_content(asked(LONG), CONTEXT), "Next page")
    content = checked(turned_content(asked({"body": LONG["body"] + "!"}), data, CONTEXT))
    assert FROM_PAGE_ONE in runs(content)
    assert "Page 1 of" in " ".join(runs(content))


def test_no_approve_for_what_cannot_be_approved() -> None:
    """The last page says so instead."""
    content = checked(whole_content(asked(approvable=False), CONTEXT))
    assert "Approve" not in titles(content)
    assert [text for text in runs(content) if text.startswith("This call cannot be approved")]


@pytest.mark.parametrize("rule", ReasonRule)
def test_a_reason_for_an_approve_stands_below_the_last_page(rule: ReasonRule) -> None:
    """Where the route wants one, or welcomes it, the field is above Approve."""
    content = checked(whole_content(asked(reason=rule), CONTEXT))
    fields = [node["id"] for node in nodes(content) if node["type"] == "Input.Text"]
    assert ([] if rule is ReasonRule.NONE else ["nod_note"]) == fields


def test_look_from_a_digest(snapshot: SnapshotAssertion) -> None:
    """There the other answers are below it too, and the way to the next request."""
    content = checked(whole_content(asked(), CONTEXT, queue=QUEUE))
    assert ["Approve", "Reject…", "Skip", "Next"] == titles(content)
    assert snapshot == content


@pytest.mark.parametrize("queue", [None, QUEUE])
def test_done(queue: QueueCursor | None, snapshot: SnapshotAssertion) -> None:
    """That an answer counts; from a digest with the way to the next request."""
    assert snapshot == checked(done_view(card(), vote(), CONTEXT, queue))


@pytest.mark.parametrize("link", [None, "https://docs.example/refusals.md#expired"])
def test_refusal(link: str | None, snapshot: SnapshotAssertion) -> None:
    """Why it has no effect, a link where the docs are served, and the way back."""
    refused = not_counted(Refusal.EXPIRED, "Only [finance](https://evil.example) can decide this.")
    assert snapshot == checked(refusal_view(replace(refused, link=link), CONTEXT, card=card(), queue=None))


def test_explanation(snapshot: SnapshotAssertion) -> None:
    """Line by line, the places by name, the request's id to copy, and the links that there are."""
    told = explanation(
        "This request matches the route payments (tool pay_*).",
        "You can decide this.",
        shown_in=(Destination(surface=Surface.TEAMS, channel="approvals"),),
        request_id="590bf4b2-0000",
        run="https://runs.example/7f3a",
    )
    assert snapshot == checked(explanation_view(told, CONTEXT, card=card(), queue=None))


def test_a_long_explanation_keeps_the_last_line() -> None:
    """Whatever is left out, the line about the person who asks is not."""
    lines = (*("x" * 5_000 for _ in range(200)), "nod.yaml denies this call.")
    texts = runs(checked(explanation_view(explanation(*lines), CONTEXT, card=card(), queue=None)))
    assert EXPLAINED + 1 == len(texts)
    assert "nod.yaml denies this call." == texts[-1]


@pytest.mark.parametrize("call", ["", " ", "\n\n", "\t"])
def test_a_call_of_blanks_says_so(call: str) -> None:
    """Nothing to see is said in words."""
    assert BLANK in runs(checked(whole_content(asked(call=call), CONTEXT)))


@given(st.text(alphabet=st.sampled_from("ab \n\u0301é🙂\t{<at>"), max_size=9_000))
def test_pages_join_to_exactly_the_call(call: str) -> None:
    """A long call is split, never shortened or reordered."""
    pages = pages_of(call)
    assert call == "".join(piece for page in pages for piece in page)
    assert all(len(page) <= 60 for page in pages)


@given(st.text(alphabet=st.sampled_from("ab \n{<at>"), min_size=1, max_size=2_000))
def test_a_page_shows_the_call_with_its_blanks(call: str) -> None:
    """The pages show the call, line by line; no blank is lost on the way."""
    one = asked(call=call)
    content = whole_content(one, CONTEXT)
    short = all(len(line) < LONGEST_LINE for line in call.split("\n"))
    if call.strip() and short and len(pages_of(call)) == 1:
        lines = ["" if line == " " else line for line in call.removesuffix("\n").split("\n")]
        assert lines == call_of(checked(content)).split("\n")


def test_a_line_that_is_cut_is_marked() -> None:
    """The rest of a long line cannot pass for an argument of its own, on the next page neither."""
    one = asked(call="x" * LONGEST_LINE + "amount  1\n" + "y")
    lines = call_of(checked(whole_content(one, CONTEXT))).split("\n")
    assert ["x" * LONGEST_LINE, f"{GOES_ON}amount  1", "y"] == lines
    endless = asked(call="\U0001f600" * 9_000)
    page = checked(turned_content(endless, turn_of(whole_content(endless, CONTEXT), "Next page"), CONTEXT))
    assert call_of(page).startswith(GOES_ON)


@pytest.mark.parametrize("characters", [25_000, pytest.param(250_000, marks=pytest.mark.slow)])
def test_a_megabyte_of_the_worst_fits_page_by_page(characters: int) -> None:
    """Every page of a call of nothing but escapes is one that Teams takes."""
    one = asked(call="\U0001f600" * characters)
    data = None
    for number in range(len(pages_of(one.call))):
        content = whole_content(one, CONTEXT) if data is None else turned_content(one, data, CONTEXT)
        if number % 50 == 0:
            checked(content)
        if "Approve" in titles(content):
            break
        data = turn_of(content, "Next page")
    assert "Approve" in titles(content)


TURN: dict[str, Any] = {"nod": "turn", "value": "x", "channel": "c"}


@pytest.mark.parametrize(
    "packed",
    [
        {},
        {"nod": "approve"},
        {"nod": "explode", "value": "x", "channel": "c"},
        TURN,
        {"nod": "approve", "value": "x", "channel": "c", "by": 7},
        {"nod": "approve", "value": "x", "channel": "c", "by": True},
        {"nod": "approve", "value": "x", "channel": "c", "whole": True},
        TURN | {"look": {"page": 2, "seen": 1, "pages": 3, "proof": "f"}},
        {
            "nod": "turn",
            "value": "x",
            "channel": "c",
            "look": {"page": True, "seen": 1, "pages": 3, "proof": "f"},
        },
        {"nod": "next", "value": "x", "channel": "c", "queue": {"value": "x"}},
    ],
)
def test_forged_data_is_no_data(packed: dict[str, Any]) -> None:
    """A page that nobody can be on, a verb that is none: nothing is guessed."""
    with pytest.raises(Malformed):
        data_from(packed)


def test_what_is_packed_is_read_back() -> None:
    """Everything that a button carries comes back as it was."""
    look = PageState(page=1, seen=2, pages=3, proof="f")
    for data in (
        pressed(Button.APPROVE, form=True, whole=True, state=look, queue=QUEUE),
        Data(verb="turn", value="v", channel="c", state=look, by=-1),
        Data(verb="show", value="v", channel="c"),
    ):
        assert data == data_from(data.packed())
