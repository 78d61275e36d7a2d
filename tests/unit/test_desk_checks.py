"""The checks of a press one by one, at their edges: what passes, what does not, and what the person is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from bot.approval import Actor, Approval, Decision, Outcome, Stage, Vote
from bot.card import DIGEST_SEAL, Button
from bot.desk import Click
from bot.errors import Refusal, Refused
from bot.flow.check import CHANGED, FORGED, NOT_NOW, RESOLVED, TAMPERED, Check, Checked, Pressed
from bot.ladder import Deadline, DeadlineSource
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLDecision, HITLRequest
from bot.records import Batched, Placement
from bot.routing import Rules
from bot.seal import Sealed
from bot.store import Store
from tests.contract.test_click_matrix import (
    CARDS,
    NOON,
    PLACES,
    POLICY,
    SEAL,
    SLACK,
    TEAMS,
    account_of,
    route,
)

A, R, S, CLAIM = Button.APPROVE, Button.REJECT, Button.SKIP, Button.CLAIM
APPROVED, REJECTED = HITLDecision.APPROVED, HITLDecision.REJECTED
NOW, DEADLINE = NOON + timedelta(minutes=1), NOON + timedelta(minutes=3)
REQUEST = HITLRequest(request_id="r1", tool_name="pay", arguments={"amount": 5}, agent_id="agent")
OPEN = Approval(
    request=REQUEST,
    route="one",
    stage=Stage.OPEN,
    first_seen=NOON,
    deadline=Deadline(at=DEADLINE, source=DeadlineSource.TIMEOUT_AT),
)
SHOWN = Placement(
    card_id=CARDS[SLACK], approval_id="r1", destination=PLACES[SLACK], ref="m1", digest=REQUEST.digest
)
THREE = replace(POLICY, routes=(route("three", quorum=3), *POLICY.routes), rules=Rules())


@dataclass
class Rig:
    """The checks alone: these read no store."""

    policy: Policy = field(default_factory=lambda: replace(POLICY, rules=Rules()))
    now: datetime = NOW
    looked: int = 0

    @property
    def check(self) -> Check:
        return Check(
            store=cast(Store, None),
            policy=lambda: self.policy,
            seal=SEAL,
            clock=lambda: self.now,
            metrics=NO_METRICS,
            look_up=self.look,
        )

    def look(self) -> None:
        self.looked += 1

    def judged(self, who: str = "ann", verb: Button = A, **more: Any) -> Checked:
        """What the check says to this person; `more` are the approval's own fields."""
        approval = replace(OPEN, **more)
        return self.check.judge(a_click(who, verb), pressed(approval, verb=verb))

    def refused(self, who: str = "ann", verb: Button = A, **more: Any) -> tuple[Refusal, str]:
        """Why it says no."""
        with pytest.raises(Refused) as caught:
            self.judged(who, verb, **more)
        return caught.value.code, str(caught.value)


@pytest.fixture
def rig() -> Rig:
    """One minute after noon, two before the deadline."""
    return Rig()


def a_click(who: str = "ann", verb: Button = A, **more: Any) -> Click:
    usual: dict[str, Any] = {
        "surface": SLACK,
        "account": account_of(who, SLACK),
        "home": True,
        "value": SEAL.value(card_id=CARDS[SLACK], verb=verb.value, digest=REQUEST.digest),
        "channel": PLACES[SLACK].channel,
        "ref": "m1",
        "verb": verb,
    }
    return Click(**(usual | more))


def pressed(
    approval: Approval, *, verb: Button = A, digest: str = REQUEST.digest, placement: Placement = SHOWN
) -> Pressed:
    sealed = Sealed(card_id=CARDS[SLACK], verb=verb.value, digest=digest)
    return Pressed(sealed=sealed, placement=placement, approval=approval)


def a_vote(who: str, verdict: HITLDecision = APPROVED) -> Vote:
    actor = Actor(surface=SLACK, account=account_of(who, SLACK), name=who.title())
    return Vote(person=who, verdict=verdict, actor=actor, at=NOON, card_id=CARDS[SLACK], digest=REQUEST.digest)


def decided(who: str = "bob") -> Decision:
    vote = a_vote(who)
    return Decision(verdict=APPROVED, actor=vote.actor, at=NOON, card_id=vote.card_id)


def test_a_record_that_someone_else_wrote_decides_nothing(rig: Rig) -> None:
    """And the person is told that, not that the call changed."""
    assert APPROVED is rig.judged().verdict
    assert (Refusal.CHANGED, TAMPERED) == rig.refused(forged=("votes",))


@pytest.mark.parametrize(
    ("name", "votes", "missing"),
    [
        ("three", [a_vote("ann")], 2),
        ("three", [a_vote("ann"), a_vote("bob")], 1),
        ("three", [a_vote("ann"), a_vote("eve")], 2),
        ("both", [a_vote("ann"), a_vote("bob", REJECTED)], 1),
        ("three", [a_vote("ann"), a_vote("bob", REJECTED), a_vote("cyd", REJECTED)], 2),
        ("three", [a_vote("ann"), a_vote("bob"), a_vote("cyd")], 0),
        ("three", [a_vote("ann"), a_vote("bob"), a_vote("cyd"), a_vote("sal")], 0),
    ],
)
def test_who_voted_the_same_is_told_how_many_are_missing(
    rig: Rig, name: str, votes: Sequence[Vote], missing: int
) -> None:
    """Votes for the same verdict from people who can decide are counted; once none is missing, it passes."""
    rig.policy = THREE
    more: dict[str, Any] = {"route": name, "votes": tuple(votes)}
    if missing:
        said = f"You have already approved. Waiting for {missing} more."
        assert (Refusal.ALREADY_VOTED, said) == rig.refused(**more)
    else:
        assert APPROVED is rig.judged(**more).verdict
    assert REJECTED is rig.judged(verb=R, **more).verdict
    assert HITLDecision.SKIPPED is rig.judged(verb=CLAIM, **more).verdict


def test_a_claim_after_a_skip_is_no_second_vote(rig: Rig) -> None:
    """It is checked like a Skip, but it is not one."""
    more: dict[str, Any] = {"route": "both", "votes": (a_vote("ann", HITLDecision.SKIPPED),)}
    assert HITLDecision.SKIPPED is rig.judged(verb=CLAIM, **more).verdict
    assert Refusal.ALREADY_VOTED is rig.refused(verb=S, **more)[0]


def test_only_a_stranger_is_told_that_people_cannot_be_looked_up(rig: Rig) -> None:
    """A known person who cannot decide, or a guest, hears that; and nobody is looked up for them."""
    rig.policy = replace(rig.policy, unasked=frozenset({SLACK}))
    assert Refusal.NOT_APPROVER is rig.refused("eve")[0]
    assert Refusal.OUTSIDER is rig.refused("gil")[0]
    assert 0 == rig.looked
    assert (Refusal.LOOKUP_FAILED, NOT_NOW) == rig.refused("mallory")
    assert 1 == rig.looked
    rig.policy = replace(rig.policy, unasked=frozenset({TEAMS}))
    assert Refusal.NOT_APPROVER is rig.refused("mallory")[0]
    assert 1 == rig.looked


def test_an_ended_call_is_read_by_those_who_could_decide(rig: Rig) -> None:
    """By everyone where the card showed all of it; never an open one, nor one whose card was replaced."""
    ended = replace(OPEN, stage=Stage.SETTLED, outcome=Outcome.TIMEOUT_SKIP, settled_at=NOON)
    replaced = replace(SHOWN, superseded=True)
    for what in (pressed(OPEN), pressed(ended, placement=replaced), pressed(OPEN, placement=replaced)):
        with pytest.raises(Refused, match=CHANGED) as caught:
            rig.check.may_read(a_click(), what, on_card=True)
        assert Refusal.CHANGED is caught.value.code
    rig.check.may_read(a_click("eve"), pressed(ended), on_card=True)
    for who in ("ann", "deputy"):
        rig.check.may_read(a_click(who), pressed(ended), on_card=False)
    for who in ("eve", "late"):
        with pytest.raises(Refused):
            rig.check.may_read(a_click(who), pressed(ended), on_card=False)


def test_a_request_on_a_queue_message_is_for_those_who_can_still_answer_it(rig: Rig) -> None:
    """Not at the deadline, not after an answer, not after a vote of their own; others' votes do not matter."""
    may = rig.check.may_decide
    assert "one" == getattr(may(a_click(), OPEN), "name", None)
    assert may(a_click(), replace(OPEN, votes=(a_vote("bob"),)))
    assert may(a_click("deputy"), OPEN)
    for who in ("eve", "late", "mallory"):
        assert may(a_click(who), OPEN) is None
    assert may(a_click(), replace(OPEN, votes=(a_vote("ann"),))) is None
    assert may(a_click(), replace(OPEN, stage=Stage.DECIDED, decision=decided())) is None
    assert may(a_click(home=False), OPEN) is None
    rig.now = DEADLINE - timedelta(milliseconds=1)
    assert may(a_click(), OPEN)
    rig.now = DEADLINE
    assert may(a_click(), OPEN) is None


def test_what_is_worth_reading_for_a_person(rig: Rig) -> None:
    """Said without the call: by the route, who was added, who voted, delegations and the deadline."""
    one = Batched(
        card_id="c1", approval_id="r1", route="one", deadline=DEADLINE, widened=(), voters=frozenset()
    )

    def may(who: str, gathered: Batched = one) -> bool:
        return rig.check.may_be_for(a_click(who), gathered)

    assert {"ann": True, "deputy": True, "eve": False, "helper": False, "late": False, "mallory": False} == {
        who: may(who) for who in ("ann", "deputy", "eve", "helper", "late", "mallory")
    }
    assert may("eve", replace(one, widened=("eve",)))
    assert may("helper", replace(one, widened=("eve",)))
    assert not may("ann", replace(one, route="removed"))
    assert not may("ann", replace(one, voters=frozenset({"ann"})))
    assert may("ann", replace(one, voters=frozenset({"bob"})))
    assert not rig.check.may_be_for(a_click(account="U0NOBODY"), one)
    assert not rig.check.may_be_for(a_click(surface=TEAMS), one)
    later = replace(one, deadline=NOON + timedelta(hours=2))
    rig.now = NOON + timedelta(hours=1)  # to the second when ann is back
    assert not may("deputy", later)
    assert may("ann", later)
    rig.now = DEADLINE - timedelta(milliseconds=1)
    assert may("ann")
    rig.now = DEADLINE
    assert not may("ann")


def test_an_answer_is_for_the_call_that_the_card_showed(rig: Rig) -> None:
    """For Approve the card's own row has to agree, or not know yet; for the others the button is enough."""
    other = replace(SHOWN, digest="0" * 64)
    for verb, digest, placement, good in (
        (A, REQUEST.digest, SHOWN, True),
        (A, REQUEST.digest, replace(SHOWN, digest=None), True),
        (A, REQUEST.digest, other, False),
        (R, REQUEST.digest, other, True),
        (A, "0" * 64, SHOWN, False),
        (R, "0" * 64, SHOWN, False),
        (A, REQUEST.digest, replace(SHOWN, superseded=True), False),
        (R, REQUEST.digest, replace(SHOWN, superseded=True), False),
    ):
        what = pressed(OPEN, verb=verb, digest=digest, placement=placement)
        if good:
            given = rig.check.judge(a_click(verb=verb), what)
            assert (what.sealed, what.placement, what.approval) == (
                given.sealed,
                given.placement,
                given.approval,
            )
            assert ("one", "ann") == (given.route.name, given.eligibility.person.handle)
        else:
            with pytest.raises(Refused) as caught:
                rig.check.judge(a_click(verb=verb), what)
            assert (Refusal.CHANGED, CHANGED) == (caught.value.code, str(caught.value))


ENDED: dict[str, Any] = {"stage": Stage.SETTLED, "settled_at": NOON}
ELSEWHERE = ENDED | {"outcome": Outcome.ELSEWHERE}
TIMEOUT = ENDED | {"outcome": Outcome.TIMEOUT_SKIP, "deadline": replace(OPEN.deadline, at=NOON)}
BY_BOB, BY_ANN = ({"stage": Stage.DECIDED, "decision": decided(who)} for who in ("bob", "ann"))


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (BY_BOB, Refusal.ALREADY_DECIDED, "Bob approved it 60 s ago."),
        (BY_ANN, Refusal.ALREADY_DECIDED, "You approved it 60 s ago."),
        (ELSEWHERE, Refusal.ANSWERED_ELSEWHERE, RESOLVED),
        (
            ELSEWHERE | {"platform_word": "rejected"},
            Refusal.ANSWERED_ELSEWHERE,
            "This request was already answered on the platform: rejected.",
        ),
        (TIMEOUT | {"platform_word": "timeout"}, Refusal.EXPIRED, "It expired 60 s ago; pay did not run."),
        (TIMEOUT, Refusal.EXPIRED, "It expired 60 s ago."),
        ({"rule": "reads"}, Refusal.AUTOMATIC, "Rule reads answers this automatically."),
    ],
)
def test_what_has_ended_says_how(rig: Rig, more: dict[str, Any], code: Refusal, said: str) -> None:
    """Who decided and when, the platform's own word, or that it is too late."""
    assert (code, said) == rig.refused(**more)


def test_the_deadline_itself_is_too_late(rig: Rig) -> None:
    """A moment before it is not."""
    rig.now = DEADLINE - timedelta(milliseconds=1)
    assert APPROVED is rig.judged().verdict
    rig.now = DEADLINE
    assert Refusal.EXPIRED is rig.refused()[0]


def test_the_same_account_on_the_other_surface_is_another(rig: Rig) -> None:
    """ "You" is said only to the account that decided."""
    there = replace(decided("ann"), actor=replace(decided("ann").actor, surface=TEAMS))
    said = rig.refused(stage=Stage.DECIDED, decision=there)[1]
    assert said.startswith("Ann approved it")


@pytest.mark.parametrize(
    ("docs", "link"),
    [
        (None, None),
        ("https://docs.example/nod", "https://docs.example/nod/refusals.md#expired"),
        ("https://docs.example/nod/", "https://docs.example/nod/refusals.md#expired"),
    ],
)
def test_a_refusal_names_its_page_and_its_card(rig: Rig, docs: str | None, link: str | None) -> None:
    """The card only where the button is one of a card of Nod's."""
    rig.policy = replace(rig.policy, docs_url=docs)
    told = rig.check.not_counted(a_click(), Refused(Refusal.EXPIRED, "Too late."))
    assert (CARDS[SLACK], Refusal.EXPIRED, "Too late.", link) == (told.card_id, told.code, told.text, told.link)
    queue = SEAL.value(card_id="d1", verb="next", digest=DIGEST_SEAL)
    for click, code in (
        (a_click(), Refusal.FORGED),
        (a_click(), Refusal.UNKNOWN_CARD),
        (a_click(value="v1.made.up"), Refusal.EXPIRED),
        (a_click(value=queue), Refusal.EXPIRED),
    ):
        told = rig.check.not_counted(click, Refused(code, FORGED))
        assert (None, code) == (told.card_id, told.code)
