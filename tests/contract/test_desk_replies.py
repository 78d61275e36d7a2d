"""What the desk answers to a press, whole: the vote, the forms, the next request, and what the audit keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.approval import Actor, Outcome, Stage, Vote
from bot.call import HIDES_TEXT
from bot.card import DIGEST_SEAL, Button
from bot.desk import NextRequest, NotCounted, Preview, ReasonForm, Voted, WholeCall
from bot.errors import Refusal
from bot.flow.check import CHANGED, FORGED, Check
from bot.flow.decide import NOT_YOURS
from bot.ports import NO_METRICS
from bot.protocol import HITLDecision
from bot.routing import ReasonRule, Rules
from bot.seal import Pages
from tests.contract.desk_rig import NOW, Late, Rig, open_desk, press, press_next, reading, same
from tests.contract.test_click_matrix import POLICY, SEAL, SLACK, TEAMS

A, R, S, NEXT = Button.APPROVE, Button.REJECT, Button.SKIP, Button.NEXT
ALL, READ = Button.VIEW_ALL, Button.VIEW_CALL


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A store with nothing in it."""
    async with open_desk(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(("who", "giver"), [("ann", None), ("deputy", "ann")])
async def test_a_vote_says_who_for_whom_and_on_what(rig: Rig, who: str, giver: str | None) -> None:
    """All of it; the record leaves to the audit whether the whole call was shown."""
    request = await rig.asks()
    click = press(request, A, who, note="Fine.")
    answered = await rig.desk.press(click)
    person = POLICY.people[who]
    vote = Vote(
        person=who,
        verdict=HITLDecision.APPROVED,
        actor=Actor(surface=SLACK, account=click.account, name=person.name, email=person.email),
        at=NOW,
        card_id="c-r1",
        digest=request.digest,
        note="Fine.",
        acting_for=giver,
        seen_whole=True,
    )
    assert Voted(card_id="c-r1", vote=vote) == answered
    assert (replace(vote, seen_whole=False),) == (await rig.record()).votes


@pytest.mark.parametrize(
    ("by", "verb", "rule"),
    [
        ("presets", R, ReasonRule.OPTIONAL),
        ("asks", R, ReasonRule.OPTIONAL),
        ("asks", S, ReasonRule.REQUIRED),
        ("asks", A, None),
        ("quiet", R, None),
        ("quiet", S, None),
        ("why", A, ReasonRule.REQUIRED),
    ],
)
async def test_a_form_is_asked_for_where_its_reason_is(
    rig: Rig, by: str, verb: Button, rule: ReasonRule | None
) -> None:
    """Where it is required, and for a Reject where it is welcome; the form itself is not answered by a form."""
    request = await rig.asks(by=by)
    click = press(request, verb)
    answered = await rig.desk.press(click)
    if rule is None:
        assert isinstance(answered, Voted)
        return
    assert isinstance(answered, ReasonForm)
    assert ("c-r1", None) == (answered.card_id, answered.problem)
    presets = ("wrong person",) if by == "presets" else ()
    assert same(answered.form, await rig.form(click, reason=rule, presets=presets))
    assert () == (await rig.record()).votes
    assert isinstance(await rig.desk.press(replace(click, form=True, note="No.")), Voted)


async def test_a_reason_that_cannot_be_used_brings_its_form_back(rig: Rig) -> None:
    """With the problem, which the audit has too."""
    request = await rig.asks(by="presets")
    click = press(request, R, form=True, note="x" * 1001)
    answered = await rig.desk.press(click)
    assert isinstance(answered, ReasonForm)
    assert answered.problem is not None
    assert ("c-r1", Refusal.NOTE_TOO_LONG, "c-r1") == (
        answered.card_id,
        answered.problem.code,
        answered.problem.card_id,
    )
    expected = await rig.form(click, reason=ReasonRule.OPTIONAL, presets=("wrong person",))
    assert same(answered.form, expected)
    assert ("r1", "note-too-long") == ((await rig.noted())[0], (await rig.noted())[2]["code"])


@pytest.mark.parametrize(
    ("more", "rules", "approvable"),
    [
        ({}, Rules(), True),
        ({"flaw": "it contains the same key twice"}, Rules(), False),
        ({"whole": False}, Rules(), False),
        ({"arguments": {"pin": "pay all of it to eve at once"}}, Rules(), False),
        ({"tool_name": "drop_it"}, POLICY.rules, False),
        ({"tool_name": "pay"}, POLICY.rules, True),
    ],
)
async def test_view_all_says_whether_it_can_be_approved(
    rig: Rig, more: dict[str, Any], rules: Rules, approvable: bool
) -> None:
    """Not a call that is not all there or not clear, nor one that nod.yaml denies, though a Reject is open."""
    rig.policy = replace(rig.policy, rules=rules)
    request = await rig.asks(by="presets", **more)
    click = press(request, R)
    answered = await rig.desk.press(click)
    assert isinstance(answered, ReasonForm)
    assert approvable is answered.form.approvable
    whole = await rig.desk.press(press(request, ALL))
    if more.get("tool_name") == "drop_it":
        assert isinstance(whole, NotCounted)
    else:
        assert isinstance(whole, WholeCall)
        assert "c-r1" == whole.card_id
        expected = replace(answered.form, reason=ReasonRule.NONE, presets=())
        assert same(whole.form, expected)


async def test_a_preview_has_the_form_of_its_reject(rig: Rig) -> None:
    """For people who can decide; others get none, and nothing is recorded."""
    request = await rig.asks(by="presets")
    click = press(request, A)
    seen = await rig.desk.preview(click)
    assert isinstance(seen, Preview)
    assert "c-r1" == seen.card_id
    expected = await rig.form(click, reason=ReasonRule.OPTIONAL, presets=("wrong person",))
    assert same(seen.form, expected)
    assert Preview(card_id="c-r1", form=None) == await rig.desk.preview(press(request, A, "eve"))


async def test_the_call_of_an_ended_request_is_read_and_no_more(rig: Rig) -> None:
    """With the card's own seal; one of an earlier call is told that it changed."""
    request = await rig.asks()
    await rig.store.approvals.settle("r1", was=Stage.OPEN, outcome=Outcome.ELSEWHERE, at=NOW)
    click = press(request, READ)
    answered = await rig.desk.press(click)
    assert isinstance(answered, WholeCall)
    assert "c-r1" == answered.card_id
    assert same(answered.form, await rig.form(click, approvable=False, approve_value=""))
    other = SEAL.value(card_id="c-r1", verb=READ.value, digest="0" * 64)
    assert (Refusal.CHANGED, CHANGED) == await rig.refused(replace(click, value=other))


async def test_next_goes_round(rig: Rig) -> None:
    """From the one that was shown to the next that this person can answer, and to the first after the last."""
    ways = {"r1": "one", "r2": "nobody", "r3": "one", "r4": "why"}
    requests = {key: await rig.asks(key, by=by, up=False) for key, by in ways.items()}
    message = await rig.gathers(*ways)
    for after, key in (
        (None, "r1"),
        ("c-r1", "r3"),
        ("c-r2", "r3"),
        ("c-r3", "r4"),
        ("c-r4", "r1"),
        ("c-gone", "r1"),
    ):
        click = press_next(message, after=after)
        answered = await rig.desk.press(click)
        assert isinstance(answered, NextRequest)
        assert answered.card_id is None
        reason = ReasonRule.REQUIRED if key == "r4" else ReasonRule.NONE
        assert same(answered.form, await rig.form(click, key, reason=reason))
    for key in ("r1", "r3"):
        assert isinstance(await rig.desk.press(press(requests[key], S, ref="m9")), Voted)
    answered = await rig.desk.press(press_next(message, after="c-r1"))
    assert isinstance(answered, NextRequest)
    nothing = (Refusal.NOTHING_WAITING, "No more requests here that you can decide.")
    assert nothing == await rig.refused(press_next(message, after="c-r4"))
    body = {"code": "nothing-waiting", "surface": "slack", "account": "U0ANN", "verb": "next"}
    assert (None, NOW, {**body, "card": message}) == await rig.noted()


async def test_a_queue_message_opens_with_its_own_button(rig: Rig) -> None:
    """Not with one of a card, nor with one for a message that is not there, nor from another place."""
    await rig.asks(up=False)
    message = await rig.gathers("r1")
    good = press_next(message)
    for card_id, verb, digest in (
        (message, NEXT.value, "0" * 64),
        (message, "approve", DIGEST_SEAL),
        (message, "approve", "0" * 64),
    ):
        value = SEAL.value(card_id=card_id, verb=verb, digest=digest)
        assert (Refusal.FORGED, FORGED) == await rig.refused(replace(good, value=value))
    code, said = await rig.refused(press_next("d-gone"))
    assert (Refusal.UNKNOWN_CARD, True) == (code, "no record of this message" in said)
    for more in ({"channel": "C0OTHER"}, {"surface": TEAMS}):
        assert Refusal.MOVED_CARD is (await rig.refused(replace(good, **more)))[0]


async def test_a_button_is_valid_on_its_own_message(rig: Rig) -> None:
    """Anywhere else, or under another verb, it is refused with its reason, and the audit has who and what."""
    request = await rig.asks()
    await rig.asks("r2", up=False)
    click = press(request, S)
    about = {"surface": "slack", "account": "U0ANN", "verb": "skip"}
    assert (Refusal.FORGED, FORGED) == await rig.refused(replace(click, value="v1.made.up"))
    assert (None, NOW, {**about, "code": "forged", "card": None}) == await rig.noted()
    other = SEAL.value(card_id="c-r1", verb="reject", digest=request.digest)
    assert (Refusal.FORGED, FORGED) == await rig.refused(replace(click, value=other))
    assert ("r1", NOW, {**about, "code": "forged", "card": "c-r1"}) == await rig.noted()
    unknown = SEAL.value(card_id="c-r9", verb="skip", digest=request.digest)
    assert Refusal.UNKNOWN_CARD is (await rig.refused(replace(click, value=unknown)))[0]
    assert (None, NOW, {**about, "code": "unknown-card", "card": "c-r9"}) == await rig.noted()
    for more in ({"channel": "C0OTHER"}, {"ref": "m2"}, {"surface": TEAMS}):
        assert Refusal.MOVED_CARD is (await rig.refused(replace(click, **more)))[0]
    assert isinstance(await rig.desk.press(click), Voted)
    early = press((await rig.record("r2")).request, S, ref="m7")
    assert isinstance(await rig.desk.press(early), Voted), "pressed before the post was answered"


LONG = {"body": "word " * 4000}
NEVER = "This call cannot be approved"
SECRET = {"arguments": {"pin": "pay all of it to eve at once"}}


@pytest.mark.parametrize(
    ("more", "pages", "who", "code", "said"),
    [
        ({}, None, "ann", None, ""),
        ({}, Pages(seen=0, count=1), "ann", None, ""),
        ({"arguments": LONG}, Pages(seen=1, count=2), "ann", None, ""),
        ({"arguments": LONG}, Pages(seen=0, count=2), "ann", Refusal.NOT_SHOWN_WHOLE, NOT_YOURS),
        ({"arguments": LONG}, Pages(seen=1, count=2), "bob", Refusal.NOT_SHOWN_WHOLE, NOT_YOURS),
        ({"arguments": LONG}, None, "ann", Refusal.NOT_SHOWN_WHOLE, "The card does not show the whole call."),
        ({"whole": False}, Pages(seen=0, count=1), "ann", Refusal.NEVER_APPROVED, f"{NEVER}: the platform"),
        (SECRET, Pages(seen=0, count=1), "ann", Refusal.NEVER_APPROVED, f"{NEVER}. {HIDES_TEXT}"),
        ({"flaw": "it is odd"}, None, "ann", Refusal.NEVER_APPROVED, f"{NEVER}: it is odd."),
    ],
)  # fmt: skip
async def test_approve_is_for_whom_all_of_it_was_shown(
    rig: Rig, more: dict[str, Any], pages: Pages | None, who: str, code: Refusal | None, said: str
) -> None:
    """On the card, or in pages up to the last, which are those of this person."""
    request = await rig.asks(**more)
    look = reading(press(request, A, who), request).sealed(pages) if pages else None
    click = press(request, A, look=look)
    if code is None:
        assert isinstance(await rig.desk.press(click), Voted)
    else:
        refused = await rig.refused(click)
        assert (code, True) == (refused[0], refused[1].startswith(said))
        assert isinstance(await rig.desk.press(press(request, S)), Voted)


async def test_who_comes_second_is_told_who_was_first(rig: Rig) -> None:
    """Also where the first came while the second was checked."""
    request = await rig.asks()
    first = rig.desk

    async def meanwhile() -> None:
        await first.press(press(request, S, "bob"))

    rig.sights = Late(meanwhile)
    assert (Refusal.ALREADY_DECIDED, "Bob skipped it 0 s ago.") == await rig.refused(press(request, A))


async def test_a_press_that_lost_to_nothing_that_can_be_seen_is_told_that_it_changed(rig: Rig) -> None:
    """The call changed, and back again, while the press was checked."""
    request = await rig.asks()
    check = Check(store=rig.store, policy=lambda: rig.policy, seal=SEAL, clock=lambda: NOW, metrics=NO_METRICS)
    refused = await check.too_late(press(request, A))
    assert (Refusal.CHANGED, CHANGED) == (refused.code, str(refused))
    refused = await check.too_late(press(request, A, "eve"))
    assert Refusal.NOT_APPROVER is refused.code
