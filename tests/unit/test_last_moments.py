"""Which list confirms a decision, and when a last moment is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.approval import Stage
from bot.flow.deliver import _before, _confirmed
from bot.protocol import HITLDecision
from tests.contract.values import a_vote, after, an_approval, decision_of

REJECTED = HITLDecision.REJECTED


@pytest.mark.parametrize(
    ("verdict", "seen", "gone", "good"),
    [
        (HITLDecision.APPROVED, None, None, False),
        (HITLDecision.APPROVED, 0.0, None, False),
        (HITLDecision.APPROVED, 0.001, None, True),
        (HITLDecision.APPROVED, 0.001, 0.001, False),
        (HITLDecision.APPROVED, 0.002, 0.001, True),
        (REJECTED, None, None, True),
        (REJECTED, None, 0.001, False),
        (REJECTED, 0.001, 0.001, False),
        (REJECTED, 0.002, 0.001, True),
    ],
)
def test_what_a_list_has_to_confirm(
    verdict: HITLDecision, seen: float | None, gone: float | None, good: bool
) -> None:
    """An Approve, and whatever the platform called resolved: by a list from strictly later."""
    approval = replace(
        an_approval(),
        stage=Stage.DECIDED,
        decision=decision_of(a_vote(verdict=verdict)),
        confirmed_at=None if seen is None else after(seen),
        gone_at=None if gone is None else after(gone),
    )
    assert good is _confirmed(approval)


@pytest.mark.parametrize(("now", "due"), [(8.999, 9), (9, None), (9.5, None), (10, None)])
def test_a_last_moment_that_is_over_is_not_due(now: float, due: float | None) -> None:
    """Nor one of no deadline."""
    found = _before(after(10), timedelta(seconds=1), now=after(now))
    assert (None if due is None else after(due)) == found
    assert _before(None, timedelta(seconds=1), now=after(now)) is None
