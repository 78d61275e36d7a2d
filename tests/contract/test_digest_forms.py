"""A digest carries the form it was made in: what an earlier version wrote down is still the same call."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from adapters.store.open import open_store
from bot.approval import Stage
from bot.canonical import FORM
from bot.flow.ingest import Ingest
from bot.matching import Match
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLRequest
from bot.routing import Route
from tests.contract.conftest import PAGERS
from tests.contract.test_store_upgrade import a_call, left_behind
from tests.contract.values import NOW, a_vote, after, wins
from tests.fakes import FakePlatform

AT = round(NOW.timestamp() * 1000)
#: Of `a_call`, as the first release made them: without a form.
DIGESTS = {one: HITLRequest(**{**json.loads(a_call(one)), "form": "1"}).digest for one in ("open", "decided")}
TIMES = f"{AT}, {AT + 180_000}, 'timeout_at', 1, 0, 0"
ROWS = [
    *(
        ("approvals", f"'{one}', '{a_call(one)}', '{digest}', 'default', '{one}', {TIMES}")
        for one, digest in DIGESTS.items()
    ),
    ("decisions", f"'decided', 'approved', 'slack', 'U1', 'Ann', {AT}, 'c2', 'fine'"),
]


def asked(approval_id: str) -> HITLRequest:
    """What the platform lists, as this version reads it."""
    return HITLRequest(**json.loads(a_call(approval_id)))


def test_a_digest_names_its_form() -> None:
    """Another form of the same call is another text, and each is known again."""
    now, before = asked("open"), HITLRequest(**{**json.loads(a_call("open")), "form": "1"})
    assert now.digest.startswith(f"{FORM}-")
    assert now.digest != before.digest
    assert now.named_by(now.digest)
    assert now.named_by(before.digest)
    assert not replace(now, tool_name="other").named_by(before.digest)
    for other in ("", "x", f"9-{now.digest}", f"{now.digest}0"):
        assert not now.named_by(other)


def test_a_call_without_a_canonical_form_is_known_again_too() -> None:
    """Its flaw is said by the form, and not taken over from one to the other."""
    odd = {"request_id": "r", "tool_name": "t", "agent_id": "a", "arguments": float("nan")}
    now, before = HITLRequest(**odd), HITLRequest(**{**odd, "form": "1"})
    assert now.named_by(before.digest)
    told = HITLRequest(**{**odd, "arguments": 1, "flaw": "a key is given twice"})
    assert told.named_by(
        HITLRequest(**{**odd, "arguments": 1, "flaw": "a key is given twice", "form": "1"}).digest
    )


def test_an_unknown_form_is_refused() -> None:
    """A newer version's row is not read as something that it is not."""
    with pytest.raises(ValueError, match="form"):
        HITLRequest(request_id="r", tool_name="t", agent_id="a", arguments=None, form="9")


async def test_an_upgrade_takes_no_answer_back(fresh_url: str) -> None:
    """What was decided before stays decided at the next poll; an old card's digest still gets a vote."""
    left_behind(fresh_url, "0001", ROWS)
    platform = FakePlatform(clock=lambda: after(1))
    platform.waiting = {one: asked(one) for one in DIGESTS}
    policy = Policy(
        people={}, groups={}, routes=(Route(name="default", match=Match(), cards=(), approvers=()),)
    )
    async with open_store(
        fresh_url, ring=lambda step: None, pagers=PAGERS, clock=lambda: NOW, take_over=True
    ) as store:
        await Ingest(
            source=platform, store=store, policy=lambda: policy, clock=lambda: after(1),
            metrics=NO_METRICS,
        ).round()  # fmt: skip
        decided, waiting = await store.approvals.get("decided"), await store.approvals.get("open")
        assert decided is not None
        assert waiting is not None
        assert Stage.DECIDED is decided.stage
        assert decided.decision is not None
        assert DIGESTS["decided"] == decided.request.digest
        assert after(1) == decided.confirmed_at
        assert await store.approvals.begin_delivery([decided], now=after(2), until=after(20))
        assert await wins(store, a_vote(digest=DIGESTS["open"], at=after(2)), "open")
