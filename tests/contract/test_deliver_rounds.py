"""What a round of `deliver` does at each edge, and when it wants the next one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from bot.alerts import UNDELIVERABLE
from bot.approval import Outcome, Stage
from bot.errors import Forbidden, Gone, NodError, ShutOut, Unavailable
from bot.flow import AT_ONCE
from bot.flow.deliver import FORGED_AGAIN, LEASE, PATIENCE, PROBE_EVERY, Hand
from bot.flow.undelivered import CONTRADICTED, RAN_OUT, UNREAD
from bot.matching import Match, Pattern
from bot.protocol import HITLDecision
from bot.records import Step
from bot.retry import MOST_SENT_AGAIN
from bot.routing import Rule, Rules
from tests.contract.deliver_rig import LIKE_NOBODY, Life, open_life
from tests.contract.values import NOW, after

PROBE, LEASED = PROBE_EVERY.total_seconds(), LEASE.total_seconds()
REJECTED = HITLDecision.REJECTED


@pytest.fixture
async def life(tmp_path: Path) -> AsyncIterator[Life]:
    """Nothing is decided yet."""
    async with open_life(tmp_path) as opened:
        yield opened


async def test_without_anything_decided_no_round_is_due(life: Life) -> None:
    """And no POST hangs any more."""
    life.step._hung.add("r0")
    assert await life.round() is None
    assert set() == life.step._hung
    await life.decided(listed=False)
    life.step._hung.add("r1")
    await life.round()
    assert {"r1"} == life.step._hung


async def test_an_approve_without_a_list_asks_for_one_each_second(life: Life) -> None:
    """It is not sent."""
    await life.decided(listed=False)
    assert 1.0 == await life.round()
    assert [Step.INGEST] == life.rings
    assert [] == life.platform.asked


async def test_the_next_round_is_due_when_the_first_thing_is(life: Life) -> None:
    """A pause ends, an alert ripens, or the last moment comes."""
    await life.decided(verdict=REJECTED)
    life.platform.decide_trouble.append(Unavailable("busy"))
    await life.round()
    assert 1.0 == await life.round()
    await life.store.approvals.postpone("r1", next_try=after(100), trouble=None)
    assert 59.5 == await life.round()
    await life.store.approvals.postpone("r1", next_try=after(0.5), trouble="busy")
    assert 0.5 == await life.round(at=0.0)
    await life.store.approvals.postpone("r1", next_try=after(50), trouble="busy")
    assert 1.0 == await life.round(at=0.0)


async def test_a_full_hand_is_no_reason_to_read_again_at_once(life: Life) -> None:
    """What does not fit into it waits until a piece ends, which rings."""
    for key in ("r1", "r2"):
        await life.decided(key)
    life.step._first = Hand(most=1)
    assert AT_ONCE is not await life.step.round()
    await life.ended()
    assert ["r1"] == life.platform.asked
    await life.round()
    assert ["r1", "r2"] == life.platform.asked


@pytest.mark.parametrize("tried", [False, True])
async def test_a_batch_of_forged_ones_makes_room_for_others_at_once(life: Life, tried: bool) -> None:
    """They are put off for seconds, and a poll is asked for: it reads them again. The next round is due now."""
    for key in ("r1", "r2"):
        await life.decided(key)
    if tried:
        life.run("UPDATE approvals SET attempts = 1")
    life.run("UPDATE approvals SET route = 'lax' WHERE id = 'r1'")
    life.step._first = life.step._again = Hand(most=1)
    assert AT_ONCE is await life.step.round()
    assert [Step.INGEST] == life.rings
    await life.round()
    assert ["r2"] == life.platform.asked
    assert life.run("SELECT due_at FROM approvals WHERE id = 'r1'") == life.run(
        f"SELECT {round((NOW + FORGED_AGAIN).timestamp() * 1000)}"
    )


async def test_many_that_are_too_late_are_read_again_at_once(life: Life) -> None:
    """Where they are put off; with a full hand, their ends ring."""
    for key in ("r1", "r2"):
        await life.decided(key, deadline=10)
    life.step._overdue = Hand(most=1)
    life.platform.now = after(10)
    assert AT_ONCE is not await life.step.round()
    await life.ended()
    await life.round()
    assert {Outcome.UNDELIVERABLE} == {(await life.get(key)).outcome for key in ("r1", "r2")}
    assert [("r1", "the deadline came first"), ("r2", "the deadline came first")] == life.losses.lost
    await life.decided("r3", deadline=20)
    life.run("UPDATE approvals SET route = 'lax' WHERE id = 'r3'")
    life.platform.now = after(20)
    assert AT_ONCE is await life.step.round()


async def test_a_post_has_its_lease_and_its_way(life: Life) -> None:
    """First tries are told from retries, and those that hung from both; nobody else sends it meanwhile."""
    await life.decided(verdict=REJECTED)
    life.platform.free.clear()
    await life.round(ends=False)
    await life.turns(1)
    assert after(LEASED) == (await life.get()).next_try
    (way,) = life.ways.heard
    assert (after(60), True, False) == (way["deadline"], way["first"], way["hung"])
    assert (set(), set()) == (life.step._first.ids, life.step._hung)
    way["hangs"]()
    assert {"r1"} == life.step._hung
    life.platform.decide_trouble.append(Unavailable("busy"))
    life.platform.free.set()
    await life.ended()
    life.platform.free.clear()
    await life.round(at=1.0, ends=False)
    await life.turns(2)
    assert (False, True) == (life.ways.heard[1]["first"], life.ways.heard[1]["hung"])
    assert (set(), set()) == (life.step._again.ids, life.step._hung)


async def test_those_that_hung_are_sent_one_at_a_time(life: Life) -> None:
    """Others of their hand are not held up by them."""
    for key in ("r1", "r2", "r3"):
        await life.decided(key, verdict=REJECTED)
    life.run("UPDATE approvals SET attempts = 1")
    life.step._hung |= {"r1", "r2"}
    await life.step.round()
    assert {"r1", "r3"} == life.step._again.ids
    assert {"r1", "r2", "r3"} <= life.step._not_sent(life.step._again)
    assert "r2" not in life.step._not_sent(life.step._first)
    await life.ended()
    assert ["r1", "r3"] == sorted(life.platform.asked)
    await life.round()
    assert ["r1", "r2", "r3"] == sorted(life.platform.asked)


@pytest.mark.parametrize(
    ("says", "outcome", "word"),
    [
        (LIKE_NOBODY, Outcome.APPROVED, None),
        ("approved", Outcome.APPROVED, "approved"),
        ("rejected", Outcome.ELSEWHERE, "rejected"),
        ("timeout", Outcome.UNDELIVERABLE, "timeout"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
async def test_the_audit_of_the_platform_has_the_last_word(
    life: Life, says: str, outcome: Outcome, word: str | None, late: bool
) -> None:
    """It is stored with the outcome, and the alerts end or begin with it, whichever was raised."""
    await life.decided()
    life.platform.says["r1"] = says
    await life.alert("platform", UNDELIVERABLE)
    if late:
        await life.alert()
        await life.store.approvals.postpone("r1", next_try=NOW, trouble="503")
    await life.round()
    over = await life.get()
    lost = outcome is Outcome.UNDELIVERABLE
    assert (Stage.SETTLED, outcome, word) == (over.stage, over.outcome, over.platform_word)
    assert (RAN_OUT if lost else "503" if late else None) == over.trouble
    assert ([("r1", RAN_OUT)] if lost else []) == life.losses.lost
    assert lost is bool(await life.open_alerts(UNDELIVERABLE))
    through = "the decision for pay was delivered"
    ends = {
        Outcome.APPROVED: through,
        Outcome.ELSEWHERE: "pay: the platform already had an answer",
        Outcome.UNDELIVERABLE: "the decision on pay was not delivered before its deadline",
    }
    assert ([ends[outcome]] if late else []) == life.resolved()


async def test_an_alert_without_trouble_ends_with_the_delivery(life: Life) -> None:
    """And those of others stay."""
    for key in ("r1", "r2"):
        await life.decided(key, verdict=REJECTED)
    await life.store.approvals.postpone("r2", next_try=after(30), trouble=None)
    await life.alert("r1")
    await life.alert("r2")
    await life.round()
    assert ["the decision for pay was delivered", None] == life.resolved()


@pytest.mark.parametrize(
    ("verdict", "tool", "sent"),
    [
        (HITLDecision.APPROVED, "pay", False),
        (HITLDecision.APPROVED, "drop_*", True),
        (REJECTED, "pay", True),
    ],
)
async def test_a_deny_wins_over_an_approve(life: Life, verdict: HITLDecision, tool: str, sent: bool) -> None:
    """The decision is void, and people are asked again; a Reject of a denied call is sent."""
    await life.decided(verdict=verdict)
    deny = Rule(name="no-pay", match=Match(tool=Pattern(text=tool)), verdict=REJECTED)
    life.policy = replace(life.policy, rules=Rules(deny=(deny,)))
    await life.round()
    assert (["r1"] if sent else []) == life.platform.asked
    left = await life.get()
    assert (Stage.SETTLED if sent else Stage.OPEN) is left.stage
    assert sent is (left.decision is not None)


@pytest.mark.parametrize(
    ("attempts", "trouble", "before", "told"),
    [
        (1, Unavailable("busy"), None, None),
        (2, Unavailable("busy"), None, None),
        (2, Unavailable("busy"), "503", "busy"),
        (3, Unavailable("busy"), None, "busy"),
        (1, Forbidden("no"), None, "no"),
    ],
)
async def test_trouble_is_told_from_the_third_try_on(
    life: Life, attempts: int, trouble: NodError, before: str | None, told: str | None
) -> None:
    """At once where the platform refuses the request; and once it was told, it is kept up to date."""
    await life.decided(verdict=REJECTED)
    await life.store.approvals.postpone("r1", next_try=NOW, trouble=before)
    life.run(f"UPDATE approvals SET attempts = {attempts - 1}")
    life.platform.decide_trouble.append(trouble)
    await life.round()
    left = await life.get()
    assert (attempts, told) == (left.attempts, left.trouble)


@pytest.mark.parametrize(("gones", "sent"), [(MOST_SENT_AGAIN, True), (MOST_SENT_AGAIN + 1, False)])
async def test_a_platform_that_contradicts_itself_is_asked_so_often(life: Life, gones: int, sent: bool) -> None:
    """Then the card says so, and it waits for its last moment."""
    await life.decided(verdict=REJECTED)
    life.run(f"UPDATE approvals SET gones = {gones}, attempts = {gones}")
    await life.round()
    left = await life.get()
    assert (["r1"] if sent else []) == life.platform.asked
    assert [] == [*life.pool.failed]
    if not sent:
        assert (after(59.5), CONTRADICTED) == (left.next_try, left.trouble)


async def shut_out(life: Life, *keys: str) -> None:
    """The platform refuses everything: the first was tried, the others not yet."""
    for key in keys:
        await life.decided(key, verdict=REJECTED)
    life.step._first = Hand(most=1)
    life.platform.decide_trouble.append(ShutOut("the key is wrong"))
    await life.round()
    assert "the key is wrong" == life.step._shut_out


async def test_while_the_platform_refuses_everything_one_is_tried_now_and_then(life: Life) -> None:
    """The cards of all say why; once one gets through, all are sent at once."""
    await shut_out(life, "r1", "r2", "r3")
    assert 1.0 == await life.round(), "an alert ripens"
    assert 1 == len(life.platform.asked)
    assert {"the key is wrong"} == {(await life.get(key)).trouble for key in ("r1", "r2", "r3")}
    await life.round(at=2.0)
    assert PROBE == await life.round(at=2.0)
    await life.round(at=PROBE - 0.001)
    assert 1 == len(life.platform.asked)
    life.platform.decide_trouble.append(ShutOut("the key is wrong"))
    assert 2 * PROBE == await life.round(at=PROBE)
    assert 2 == len(life.platform.asked)
    await life.round(at=PROBE + 1)
    assert 2 == len(life.platform.asked)
    life.rings.clear()
    await life.round(at=2 * PROBE)
    assert (3, [Step.DELIVER]) == (len(life.platform.asked), life.rings)
    assert (None, None) == (life.step._shut_out, life.step._probe_at)
    for _ in range(2):
        await life.round()
    assert ["r1", "r2", "r3"] == sorted(request_id for request_id, _ in life.platform.decided)


@pytest.mark.parametrize("trouble", [Gone("resolved"), Forbidden("not this one"), Unavailable("busy")])
async def test_what_shows_that_the_platform_lets_nod_in_again(life: Life, trouble: NodError) -> None:
    """An answer about one request does; that it is busy says nothing."""
    await shut_out(life, "r1", "r2")
    life.platform.decide_trouble.append(trouble)
    await life.round(at=PROBE)
    assert isinstance(trouble, Unavailable) is (life.step._shut_out is not None)


async def test_each_has_a_last_try_although_the_platform_refuses_everything(life: Life) -> None:
    """A second before its last moment; it waits for no probe."""
    await shut_out(life, "r1")
    await life.decided("r2", deadline=5, verdict=REJECTED)
    await life.round(at=1.0)
    await life.round(at=2.0)
    assert 3.5 == await life.round(at=2.0)
    await life.round(at=3.499)
    assert ["r1"] == life.platform.asked
    life.platform.decide_trouble.append(ShutOut("the key is wrong"))
    await life.round(at=3.5)
    assert ["r1", "r2"] == life.platform.asked


@pytest.mark.parametrize("probes", [False, True])
async def test_what_was_handed_over_before_is_held_too(life: Life, probes: bool) -> None:
    """It sees that the platform refuses everything since; a probe finds out whether it still does."""
    await shut_out(life, "r1")
    await life.decided("r2")
    await life.step._deliver(await life.get("r2"), probes)
    assert (["r1", "r2"] if probes else ["r1"]) == life.platform.asked


async def test_an_approve_that_waits_too_long_for_a_list_is_in_trouble(life: Life) -> None:
    """Counted from when the list could not be read any more; where it can, nothing is said."""
    patience = PATIENCE.total_seconds()
    await life.decided(listed=False)
    life.platform.now = after(0.2)
    life.polls.begins()
    assert 5.7 == await life.round(at=4.7)
    assert 0.2 + patience == await life.round(at=patience)
    assert (await life.get()).trouble is None
    assert 7.2 == await life.round(at=0.2 + patience)
    assert UNREAD == (await life.get()).trouble
    await life.decided("r2", listed=False)
    life.run(f"UPDATE approvals SET next_try = {round(after(3).timestamp() * 1000)} WHERE id = 'r2'")
    assert 7.2 == await life.round(at=0.2 + patience)
    assert (await life.get("r2")).trouble is None


async def test_one_that_is_listed_does_not_wait_for_a_list(life: Life) -> None:
    """However long no list could be read."""
    await life.decided(verdict=REJECTED)
    await life.store.approvals.postpone("r1", next_try=after(30), trouble=None)
    life.polls.begins()
    assert 30.0 == await life.round(at=20.0)
    assert (await life.get()).trouble is None


@pytest.mark.parametrize("trouble", [None, "503"])
async def test_what_comes_too_late_says_why(life: Life, trouble: str | None) -> None:
    """The trouble that there was, or that the deadline came first."""
    await life.decided(deadline=10)
    await life.alert()
    await life.store.approvals.postpone("r1", next_try=after(10), trouble=trouble)
    await life.round(at=10.0)
    why = trouble or "the deadline came first"
    assert [("r1", why)] == life.losses.lost
    assert (Outcome.UNDELIVERABLE, why) == ((await life.get()).outcome, (await life.get()).trouble)
    (text,) = await life.open_alerts()
    assert why in text
    assert ["the decision on pay was not delivered before its deadline"] == life.resolved()


async def test_what_the_platform_has_settled_itself_is_not_lost(life: Life) -> None:
    """Its word is stored, and the alert that it was late ends."""
    await life.decided(deadline=10)
    await life.alert()
    life.platform.says["r1"] = "rejected"
    await life.round(at=10.0)
    over = await life.get()
    assert (Outcome.ELSEWHERE, "rejected") == (over.outcome, over.platform_word)
    assert ["pay: the platform already had an answer"] == life.resolved()
    assert [] == life.losses.lost


async def test_what_is_lost_to_a_timeout_says_so(life: Life) -> None:
    """In the alert, too."""
    await life.decided()
    life.platform.says["r1"] = "timeout"
    await life.round()
    (text,) = await life.open_alerts()
    assert RAN_OUT in text


async def test_while_the_platform_refuses_everything_a_pause_still_ends(life: Life) -> None:
    """A round is due then, not at the next probe."""
    await shut_out(life, "r1")
    await life.store.approvals.postpone("r1", next_try=after(0.3), trouble="the key is wrong")
    assert 0.3 == await life.round(at=0.0)


async def test_one_that_fails_unforeseen_is_left_alone_for_a_while(life: Life) -> None:
    """By its own name, so that the others are sent."""
    await life.decided()
    life.platform.decide_trouble.append(cast(NodError, RuntimeError("a bug")))
    await life.round()
    assert ["r1"] == [*life.pool.failed]
