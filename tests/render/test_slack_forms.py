"""The forms that open from a card in Slack: why not, and all of the call, page by page."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from adapters.chat.labels import FROM_PAGE_ONE
from adapters.chat.payload import Malformed
from adapters.chat.text import BLANK
from adapters.slack.metadata import ButtonContext, OpenCall, call_from
from adapters.slack.modals import (
    NOTE,
    PAGE_BYTES,
    PAGE_PIECES,
    PRESET,
    encoded,
    pages_of,
    reason_view,
    said_view,
    turned_view,
    whole_view,
)
from adapters.slack.verify import BODY
from bot.card import Button
from bot.desk import FormData
from bot.errors import Refusal
from bot.routing import ReasonRule
from sandbox.slack.limits import VIEW_BYTES, check_view
from tests.render.cards import CARD_ID, SEAL, approval, card, not_counted, reading, request, shown
from tests.render.slack_parts import buttons, parts, preformatted_in, read_on

THREAD = ButtonContext(
    value=SEAL.value(card_id=CARD_ID, verb="view_all", digest=request().digest),
    verb=Button.VIEW_ALL,
    channel="C0APPROVALS",
    ref="1763821740.000100",
)
PRESETS = ("Wrong recipient", "Not today", "Ask me first")


def asked(call: str = "to  jane", **more: Any) -> FormData:
    """What the desk answers."""
    value = SEAL.value(card_id=CARD_ID, verb="approve", digest=request().digest)
    usual = {"approvable": True, "reason": ReasonRule.NONE, "approve_value": value, "card": card()}
    usual["reading"] = reading(call)
    return FormData(call=call, **{**usual, **more})


def look_of(view: dict[str, Any]) -> OpenCall:
    """What a view remembers."""
    return call_from(view["private_metadata"])


def walk(call: str, **more: Any) -> list[dict[str, Any]]:
    """Every page of a call, in order, as a person sees them who presses Next to the end."""
    answer = asked(call, **more)
    views = [whole_view(THREAD, answer)]
    while "nod_next" in buttons(views[-1]["blocks"]):
        views.append(turned_view(look_of(views[-1]), answer, by=1))
    for view in views:
        check_view(view)
    return views


@pytest.mark.parametrize("presets", [0, 3, 6])
@pytest.mark.parametrize("rule", [ReasonRule.REQUIRED, ReasonRule.OPTIONAL])
@pytest.mark.parametrize("verb", [Button.APPROVE, Button.REJECT, Button.SKIP])
def test_reason_form(verb: Button, rule: ReasonRule, presets: int, snapshot: SnapshotAssertion) -> None:
    """The form names the verdict and the tool, and insists only where the route does."""
    picks = tuple(f"{PRESETS[n % 3]} {n}" for n in range(presets))
    view = reason_view(replace(THREAD, verb=verb), asked(reason=rule, presets=picks))
    check_view(view)
    assert snapshot == view


def test_a_form_says_what_is_decided_and_whether_a_reason_is_needed() -> None:
    """The title names the tool, one line the amount and the payee, and a field that is needed says so."""
    call = {"amount": 950.5, "payee": "Acme\nGmbH", "iban": "DE02"}
    form = asked(card=shown(approval(request(call, tool_name="pay_invoice"))), reason=ReasonRule.REQUIRED)
    view = reason_view(replace(THREAD, verb=Button.REJECT), form)
    check_view(view)
    assert "Reject pay_invoice" == view["title"]["text"]
    assert "amount 950.5 · payee Acme GmbH · iban DE02" in parts(view["blocks"], "plain_text")
    (field,) = [block for block in view["blocks"] if block["type"] == "input"]
    assert ("Reason (shared with the agent)", "Required") == (field["label"]["text"], field["hint"]["text"])
    long = asked(card=shown(approval(request(tool_name="publish_every_document_of_a_year"))))
    title = reason_view(replace(THREAD, verb=Button.APPROVE), long)["title"]["text"]
    assert "Approve publish_every_d…" == title


def test_presets_of_every_odd_shape_make_a_form() -> None:
    """Empty, double, very long and very many reasons: Slack takes the form all the same."""
    odd = ("", "  ", "same", "same", "a\nb", "x" * 500, *(f"reason {n}" for n in range(200)))
    view = reason_view(replace(THREAD, verb=Button.REJECT), asked(presets=odd))
    check_view(view)
    (picked,) = [block["element"] for block in view["blocks"] if block.get("block_id") == PRESET]
    assert 100 == len(picked["options"])
    assert "a b" == picked["options"][1]["value"]


def test_words_leave_room_for_the_reason_that_is_picked() -> None:
    """Reason and words together are never longer than a note may be."""
    view = reason_view(replace(THREAD, verb=Button.REJECT), asked(presets=("x" * 150,)))
    (words,) = [block["element"] for block in view["blocks"] if block.get("block_id") == NOTE]
    assert 1_000 == words["max_length"] + 150 + len(": ")


@pytest.mark.parametrize("rule", ReasonRule)
def test_whole_view(rule: ReasonRule, snapshot: SnapshotAssertion) -> None:
    """All of a short call on one page, with Approve under it, and a note where one is welcome."""
    (view,) = walk("to       jane\nsubject  Offer", reason=rule)
    assert "Approve" == view["submit"]["text"]
    assert asked().approve_value == look_of(view).approve
    assert snapshot == view


def test_pages(snapshot: SnapshotAssertion) -> None:
    """A long call has Next and Back, and Approve on the last page alone."""
    warned = replace(
        card(), warnings=("Contains 1 hidden text-direction character; the displayed order may be misleading",)
    )
    views = walk("".join(f"line {n}\n" * 100 for n in range(2_000)), card=warned)
    assert len(views) > 2
    assert [False] * (len(views) - 1) + [True] == ["submit" in view for view in views]
    assert [""] * (len(views) - 1) == [look_of(view).approve for view in views[:-1]]
    bare = [{**v, "blocks": [b for b in v["blocks"] if b["type"] != "rich_text"]} for v in views[:2]]
    assert snapshot == [
        *bare,
        {**views[-1], "blocks": [b for b in views[-1]["blocks"] if b["type"] != "rich_text"]},
    ]


def test_back_and_forth_keeps_what_was_seen() -> None:
    """A person who saw every page and went back finds Approve again at the end, and nowhere else."""
    answer = asked("word\n" * 60_000)
    *_, last = walk(answer.call)
    back = turned_view(look_of(last), answer, by=-1)
    assert "submit" not in back
    assert ("", look_of(last).state.seen) == (look_of(back).approve, look_of(back).state.seen)
    again = turned_view(look_of(back), answer, by=1)
    assert last["private_metadata"] == again["private_metadata"]
    assert "submit" in again


def test_a_page_that_was_left_out_leaves_no_approve() -> None:
    """A person near the end who did not come there page by page can read, no more."""
    answer = asked("word\n" * 60_000)
    pages = len(walk(answer.call))
    first = look_of(whole_view(THREAD, answer))
    leapt = replace(first, state=replace(first.state, page=pages - 2))
    assert "submit" not in turned_view(leapt, answer, by=1)


def test_many_warnings_leave_room_for_the_call() -> None:
    """The worst call with the worst warnings still makes pages that come through the door."""
    warned = replace(card(), warnings=tuple("\\u{202E}" * 100 + str(n) for n in range(200)))
    views = walk("🙂" * 30_000, card=warned, reason=ReasonRule.REQUIRED, presets=("é" * 150,) * 5)
    for view in views:
        assert len(urlencode({"payload": json.dumps({"view": view})})) < BODY * 9 // 10
    assert "⚠" in "".join(parts(views[0]["blocks"], "plain_text"))


def test_no_approve_for_what_cannot_be_approved() -> None:
    """It can be read to its end, and that is all."""
    *_, last = walk("word\n" * 60_000, approvable=False)
    assert "submit" not in last
    assert "" == look_of(last).approve
    assert [text for text in parts(last["blocks"], "plain_text") if "cannot be approved" in text]


def test_another_text_begins_anew() -> None:
    """When the same call reads differently now (the policy redacts more), it is shown from its first page."""
    first, second, *_ = walk("word\n" * 60_000)
    view = turned_view(look_of(second), asked("other\n" * 60_000), by=1)
    check_view(view)
    assert (0, 0) == (look_of(view).state.page, look_of(view).state.seen)
    assert FROM_PAGE_ONE == view["blocks"][0]["text"]["text"]
    assert look_of(first).state.proof != look_of(view).state.proof


def test_pages_that_somebody_else_was_shown_begin_anew() -> None:
    """The next page of another person's look is the first of one's own."""
    _, second, *_ = walk("word\n" * 60_000)
    call = asked("word\n" * 60_000).call
    view = turned_view(look_of(second), asked(call, reading=reading(call, account="U0BOB")), by=1)
    assert (0, 0) == (look_of(view).state.page, look_of(view).state.seen)
    assert FROM_PAGE_ONE == view["blocks"][0]["text"]["text"]


def test_a_forged_look_is_no_look() -> None:
    """A last page that was not reached, or an Approve before the end, is not read at all."""
    look = look_of(whole_view(THREAD, asked("word\n" * 60_000)))
    for forged in (
        replace(look, state=replace(look.state, page=1)),
        replace(look, state=replace(look.state, seen=look.state.pages)),
        replace(look, approve="v1.x"),
        replace(look, state=replace(look.state, page=-1)),
        replace(look, state=replace(look.state, pages=0)),
    ):
        with pytest.raises(Malformed):
            call_from(forged.packed())


@pytest.mark.parametrize("call", ["", " ", "\n\n\n", " " * 200_000])
def test_a_call_of_blanks_says_so(call: str) -> None:
    """Where nothing can be seen, that is said; the blanks are there all the same."""
    *_, last = walk(call)
    assert BLANK in parts(last["blocks"], "plain_text")
    assert "submit" in last


@pytest.mark.parametrize("code", [Refusal.CHANGED, Refusal.ALREADY_DECIDED])
def test_said_view(code: Refusal, snapshot: SnapshotAssertion) -> None:
    """A form that came too late turns into a sentence with its code."""
    view = said_view(not_counted(code, "Bob approved it 4 s ago."), THREAD)
    check_view(view)
    assert snapshot == view


@given(st.text(max_size=3_000))
def test_a_pages_size_is_never_guessed_too_small(text: str) -> None:
    """What a text takes on its way back is at most what was counted, however Slack writes it as JSON."""
    for ascii_only in (True, False):
        assert len(quote_plus(json.dumps(text, ensure_ascii=ascii_only))) <= encoded(text)


calls = st.builds(
    lambda bits, times: ("".join(bits) * times)[:1_000_000],
    st.lists(
        st.text(max_size=40) | st.sampled_from(["\n", '"', "\\", "🙂", "é", "\u0301", "word "]), min_size=1
    ),
    st.sampled_from([1, 10, 100, 1_000, 20_000]),
)


@settings(max_examples=40)
@given(calls)
def test_pages_join_to_exactly_the_call(call: str) -> None:
    """From nothing to a megabyte, of all of Unicode: no character lost, none added, no page over a limit."""
    views = walk(call)
    assert call == read_on([piece for view in views for piece in preformatted_in(view["blocks"])])
    for view in views:
        assert len(json.dumps(view).encode()) < VIEW_BYTES * 4 // 5
        for ascii_only in (True, False):
            form = urlencode({"payload": json.dumps({"view": view}, ensure_ascii=ascii_only)})
            assert len(form) < BODY * 4 // 5


def test_a_megabyte_of_the_worst_fits_page_by_page() -> None:
    """The text that grows most on its way back is still cut into pages that come through the door."""
    pages = pages_of("🙂" * 250_000)
    assert all(len(page) <= PAGE_PIECES for page in pages)
    assert all(sum(map(encoded, page)) <= PAGE_BYTES for page in pages)
    assert 250_000 == sum(len(piece) for page in pages for piece in page)
