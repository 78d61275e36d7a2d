"""The life is drawn once; impossible records cannot be made."""

from collections.abc import Callable

import pytest

from bot.approval import STEPS, Approval, Decision, Outcome, Stage, outcome_once_resolved
from bot.protocol import HITLDecision, HITLRequest


def test_the_drawing_has_seven_steps() -> None:
    """Back goes a voided decision, and what is listed again; nothing is CLOSED without an outcome."""
    assert {
        (Stage.OPEN, Stage.DECIDED),
        (Stage.OPEN, Stage.SETTLED),
        (Stage.DECIDED, Stage.OPEN),
        (Stage.DECIDED, Stage.SETTLED),
        (Stage.SETTLED, Stage.CLOSED),
        (Stage.SETTLED, Stage.OPEN),
        (Stage.CLOSED, Stage.OPEN),
    } == STEPS


@pytest.mark.parametrize(
    ("stage", "outcome", "decided"),
    [
        (Stage.OPEN, Outcome.APPROVED, False),
        (Stage.OPEN, None, True),
        (Stage.DECIDED, None, False),
        (Stage.DECIDED, Outcome.APPROVED, True),
        (Stage.SETTLED, None, True),
        (Stage.CLOSED, None, False),
    ],
)
def test_impossible_pairs_cannot_be_made(
    make_approval: Callable[..., Approval],
    make_decision: Callable[..., Decision],
    stage: Stage,
    outcome: Outcome | None,
    decided: bool,
) -> None:
    """How far and how it ended must agree."""
    with pytest.raises(ValueError, match=r"outcome|decision"):
        make_approval(stage=stage, outcome=outcome, decision=make_decision() if decided else None)


@pytest.mark.parametrize(
    ("attempts", "word", "outcome"),
    [
        (2, "approved", Outcome.APPROVED),  # our first answer was lost on the way back
        (1, "approved", Outcome.ELSEWHERE),  # another person was first with the same word
        (2, "rejected", Outcome.ELSEWHERE),
        (2, None, Outcome.ELSEWHERE),  # no proof, no claim
        (0, "timeout", Outcome.UNDELIVERABLE),
        (2, "timeout_skip", Outcome.UNDELIVERABLE),
    ],
)
def test_a_resolved_request_is_ours_only_with_proof(
    make_approval: Callable[..., Approval],
    make_decision: Callable[..., Decision],
    attempts: int,
    word: str | None,
    outcome: Outcome,
) -> None:
    """404 and 409 count as answered elsewhere, unless we had tried before and the audit names our verdict;
    where it says that time ran out, our answer came too late."""
    approval = make_approval(stage=Stage.DECIDED, decision=make_decision(), attempts=attempts)

    assert outcome is outcome_once_resolved(approval, word, tried_before=attempts > 1)


def test_the_platform_is_told_who_and_why(make_decision: Callable[..., Decision]) -> None:
    """The protocol has no field for people, so they come before the note, which cannot end its own quotes."""
    decision = make_decision(
        HITLDecision.REJECTED, note='The order was "cancelled".', others=("Bob <bob@acme.example>",)
    )

    assert HITLDecision.REJECTED is decision.response.decision
    assert (
        "rejected by Bob <bob@acme.example>, Ann Albers <ann@acme.example> in Slack. "
        'Note from the approver: "The order was \\"cancelled\\"."'
    ) == decision.response.operator_input


def test_the_digest_covers_what_is_decided(make_request: Callable[..., HITLRequest]) -> None:
    """Another id, agent, tool or argument is another call; the order of keys, or another deadline, is not."""
    first = make_request(arguments={"a": 1, "b": [1, 2]})
    others = [
        make_request(request_id="other", arguments={"a": 1, "b": [1, 2]}),
        make_request(agent_id="other", arguments={"a": 1, "b": [1, 2]}),
        make_request(tool_name="other", arguments={"a": 1, "b": [1, 2]}),
        make_request(arguments={"a": 1, "b": [2, 1]}),
        make_request(arguments={"a": 1.0, "b": [1, 2]}),
        make_request(arguments={"a": 1, "b": [1, 2]}, platform="other"),
        make_request(arguments={"a": 1, "b": [1, 2]}, flaw="read twice"),
    ]

    assert first.digest == make_request(arguments={"b": [1, 2], "a": 1}).digest
    assert first.digest == make_request(arguments=first.arguments, timeout_at="2026-03-02T12:01:30Z").digest
    assert 8 == len({first.digest, *(other.digest for other in others)})
