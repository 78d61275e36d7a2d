"""The store's contract, first part: the record and its moves, on each kind of database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.approval import STEPS, Approval, Outcome, Stage
from bot.ladder import Ahead
from bot.protocol import HITLDecision
from bot.records import NewApproval, Step
from bot.store import Store
from tests.contract.values import (
    DEADLINE,
    NOW,
    a_deadline,
    a_placement,
    a_request,
    a_rung,
    a_vote,
    admit,
    after,
    an_approval,
    begin,
    bring_to,
    close,
    decide,
    decision_of,
    fire,
    revise,
    settle,
    unfired,
    wins,
)

ODD_ARGUMENTS = [
    {"text": "naïve 日本語 🪙 \u202e", "z": 1, "a": 2},
    {"nul": "a\0b", "half a pair": "\ud800"},
    {"huge": 10**60, "negative": -(2**63) - 1, "tiny": 5e-324, "one": 1, "one and a bit": 1.0},
    [None, True, {"deep": [[[]]]}, ""],
    None,
]


MOVES = (
    "decide",
    "ask people",
    "revise open",
    "revise decided",
    "void",
    "begin delivery",
    "postpone",
    "settle open",
    "settle decided",
    "close",
)


async def test_an_admitted_approval_reads_back_as_it_was(store: Store) -> None:
    """Nothing is lost or changed between writing a new approval and reading it."""
    deadline = replace(a_deadline(), doubt="created_at is in the future")
    approval = replace(an_approval(), deadline=deadline)
    placements, rungs = [a_placement("c1"), a_placement("c2")], [a_rung(0, due=1), a_rung(1, due=2)]
    assert await store.approvals.insert([NewApproval(approval=approval, placements=placements, rungs=rungs)])
    first = Ahead(action=rungs[0].action, who=rungs[0].who, at=rungs[0].due_at)
    written = replace(approval, ahead=first)
    assert written == await store.approvals.get("r1")
    assert tuple(placements) == await store.placements.of("r1")
    assert placements[1] == await store.placements.get("c2")
    assert [(rung, written) for rung in rungs] == list(await unfired(store, DEADLINE))


async def test_nobody_is_found_under_an_unknown_id(store: Store) -> None:
    """Unknown ids are answered with nothing, not with an error."""
    assert await store.approvals.get("nobody") is None
    assert await store.placements.get("nowhere") is None
    assert () == await store.placements.of("nobody")
    assert await store.rungs.next_due(after=after(0)) is None


async def test_a_request_is_admitted_once(store: Store, rings: list[Step]) -> None:
    """A second admission of an id changes nothing, writes no second card and wakes nobody."""
    await admit(store)
    rings.clear()
    again = an_approval(request=a_request(tool_name="other"))
    assert not await store.approvals.insert(
        [NewApproval(approval=again, placements=[a_placement("c9")], rungs=[a_rung()])]
    )
    assert an_approval() == await store.approvals.get("r1")
    assert () == await store.placements.of("r1")
    assert [] == rings


async def test_many_are_admitted_at_once(store: Store) -> None:
    """A known one among them stays as it was, with its cards; of two under one id the first is written."""
    await admit(store, "r3")
    first = NewApproval(
        approval=an_approval("r2"),
        placements=[a_placement("c2", "r2")],
        rungs=[replace(a_rung(), approval_id="r2")],
    )
    second = NewApproval(approval=an_approval("r2", deadline=after(9)), placements=[a_placement("c4", "r2")])
    known = NewApproval(approval=an_approval("r3", deadline=after(9)), placements=[a_placement("c3", "r3")])
    bare = NewApproval(approval=an_approval("r\0"))
    assert {"r2", "r\0"} == await store.approvals.insert([first, second, known, bare])
    assert ["c2"] == [placement.card_id for placement in await store.placements.of("r2", "r3")]
    assert [DEADLINE] * 3 == [one.deadline.at for one in await store.approvals.at(Stage.OPEN)]
    assert frozenset() == await store.approvals.insert([])


async def test_an_approval_begins_open(store: Store) -> None:
    """A life that began elsewhere cannot be admitted."""
    decided = replace(an_approval(), stage=Stage.DECIDED, decision=decision_of(a_vote()))
    with pytest.raises(ValueError, match="must be open"):
        await store.approvals.insert([NewApproval(approval=decided)])


async def test_times_are_cut_to_milliseconds(store: Store) -> None:
    """A moment reads back aware, in UTC, and never later than it was."""
    fine = timedelta(microseconds=999)
    await store.approvals.insert([NewApproval(approval=replace(an_approval(), first_seen=NOW + fine))])
    found = await store.approvals.get("r1")
    assert found is not None
    assert (NOW, timedelta(0)) == (found.first_seen, found.first_seen.utcoffset())


async def test_a_moment_without_a_zone_is_refused(store: Store) -> None:
    """A naive time is a mistake of ours and never guessed at."""
    naive = replace(an_approval(), first_seen=NOW.replace(tzinfo=None))
    with pytest.raises(Exception, match="needs a time zone"):
        await store.approvals.insert([NewApproval(approval=naive)])


@pytest.mark.parametrize("arguments", ODD_ARGUMENTS)
async def test_a_call_reads_back_exactly(store: Store, arguments: object) -> None:
    """Every character, every number and the order of keys survive, so the digest does: it is the same call."""
    request = a_request(arguments=arguments, timeout_seconds=30, run_id="ü", whole=False)
    await store.approvals.insert([NewApproval(approval=an_approval(request=request))])
    found = await store.approvals.get("r1")
    assert found is not None
    assert (request, request.digest) == (found.request, found.request.digest)
    assert str(request) == str(found.request)
    assert await wins(store, a_vote(digest=request.digest))


async def test_a_character_that_no_database_keeps_does_no_harm(store: Store) -> None:
    """NUL and half a surrogate pair in a name, a note or an id are replaced, and nothing fails."""
    approval = an_approval("r\0")
    assert await store.approvals.insert([NewApproval(approval=approval)])
    vote = a_vote(name="A\ud800nn 🪙", note="no\0te", digest=approval.request.digest)
    assert await wins(store, vote, "r\0")
    found = await store.approvals.get("r\0")
    assert found is not None
    assert found.decision is not None
    assert ("no\ufffdte", "A\ufffdnn 🪙") == (found.decision.note, found.decision.actor.name)
    assert ["no\ufffdte"] == [vote.note for vote in found.votes]
    assert {"r\0"} == set(await store.approvals.recorded(["r\0", "r2"]))


async def test_the_earliest_deadline_comes_first(store: Store) -> None:
    """Approvals at the asked stages only, in the order in which their time runs out."""
    for approval_id, seconds in (("r1", 90), ("r2", 30), ("r3", 60)):
        await admit(store, approval_id, deadline=after(seconds))
    await decide(store, "r3")
    await settle(store, "r1")
    assert ["r3", "r1"] == [a.id for a in await store.approvals.at(Stage.DECIDED, Stage.SETTLED)]
    assert ["r2"] == [a.id for a in await store.approvals.at(Stage.OPEN)]
    assert () == await store.approvals.at()


async def test_any_number_of_ids_is_understood_at_once(store: Store) -> None:
    """A poll of thousands is one call, whatever a statement can hold."""
    many = [f"x{number}" for number in range(1_201)]
    await admit(store)
    assert {"r1"} == set(await store.approvals.recorded([*many, "r1"]))
    assert set() == set(await store.approvals.recorded([]))
    await store.approvals.miss([*many, "r1"], began_at=after(1))
    found = await store.approvals.get("r1")
    assert found is not None
    assert 1 == found.missed


async def test_a_poll_confirms_and_forgets_what_was_missed(store: Store) -> None:
    """Being listed clears the count of misses; a poll that began earlier never sets the clock back."""
    await admit(store)
    await store.approvals.miss(["r1"], began_at=after(1))
    await store.approvals.miss(["r1"], began_at=after(1))
    assert 2 == (await _get(store)).missed
    await store.approvals.confirm({"r1": a_request().digest}, began_at=after(5))
    await store.approvals.confirm({"r1": a_request().digest}, began_at=after(3))
    found = await _get(store)
    assert (0, after(5), 1) == (found.missed, found.confirmed_at, found.revision)


async def test_a_changed_request_is_taken_anew(store: Store) -> None:
    """The new call, its deadline and its rungs replace the old, also those that fired and lie ahead again."""
    rungs = [a_rung(0, due=1), a_rung(1, due=2), a_rung(2, due=3)]
    await store.approvals.insert([NewApproval(approval=an_approval(), rungs=rungs)])
    assert await fire(store, rungs[:1], at=NOW)
    await store.approvals.confirm({"r1": a_request().digest}, began_at=NOW)
    new, later = a_request(arguments={"to": "eve"}), a_deadline(after(600))
    fresh = [a_rung(0, due=10), a_rung(1, due=20)]
    assert await revise(store, request=new, deadline=later, rungs=fresh)
    found = await _get(store)
    assert (new, later, 3, None) == (found.request, found.deadline, found.revision, found.confirmed_at)
    assert fresh == [rung for rung, _ in await unfired(store, after(900))]
    assert not await wins(store, a_vote())
    assert await wins(store, a_vote(digest=new.digest))


async def test_the_first_decision_wins_and_stays(store: Store) -> None:
    """A second answer changes nothing about the first."""
    await admit(store)
    first = a_vote(note="naïve 🪙")
    assert await wins(store, first)
    assert not await wins(store, a_vote("bob", note="second"))
    decided = replace(
        an_approval(), stage=Stage.DECIDED, decision=decision_of(first), votes=(first,), revision=2
    )
    assert decided == await _get(store)


@pytest.mark.parametrize(("before_deadline", "counts"), [(1, True), (0, False), (-1, False)])
async def test_a_decision_comes_before_the_deadline(store: Store, before_deadline: int, counts: bool) -> None:
    """One millisecond before the deadline is in time; at the deadline it is too late."""
    await admit(store)
    late = a_vote(at=DEADLINE - timedelta(milliseconds=before_deadline))
    assert counts is await wins(store, late)
    assert (Stage.DECIDED if counts else Stage.OPEN) is (await _get(store)).stage


async def test_a_decision_is_about_the_very_call(store: Store) -> None:
    """A click on a card of another call, or of no call at all, decides nothing."""
    digest = await admit(store)
    assert not await wins(store, a_vote(digest="0" * 64))
    assert not await wins(store, a_vote(digest=digest), "r2")
    assert an_approval() == await _get(store)


async def test_a_delivery_is_begun_when_it_is_its_turn(store: Store) -> None:
    """Each POST is counted before it is sent, and nobody else sends it meanwhile, nor after the deadline."""
    await bring_to(store, Stage.DECIDED)
    await store.approvals.confirm({"r1": a_request().digest}, began_at=after(1))
    taken = await begin(store, now=NOW, until=after(20))
    assert taken == await _get(store)
    assert taken is not None
    assert (1, after(20), 2) == (taken.attempts, taken.next_try, taken.revision)
    assert await begin(store, now=after(19.999), until=after(40)) is None
    assert await begin(store, now=after(20), until=after(40)) is None  # not listed since
    await store.approvals.confirm({"r1": a_request().digest}, began_at=after(20))
    again = await begin(store, now=after(20), until=after(40))
    assert again is not None
    assert 2 == again.attempts
    await store.approvals.confirm({"r1": a_request().digest}, began_at=after(40))
    assert await begin(store, now=DEADLINE, until=after(999)) is None


async def test_a_delivery_is_of_what_was_read(store: Store) -> None:
    """No POST of another attempt or call than the one that was looked at; a later listing is as good."""
    await bring_to(store, Stage.DECIDED)
    await store.approvals.confirm({"r1": a_request().digest}, began_at=after(1))
    confirmed = await _get(store)
    for other in (replace(confirmed, attempts=1), replace(confirmed, request=a_request(arguments=1))):
        assert await begin(store, as_read=other) is None
    assert confirmed == await _get(store)
    await store.approvals.confirm({"r1": a_request().digest}, began_at=after(2))
    shown = replace(confirmed, revision=9, trouble="an earlier word", missed=3)
    assert await begin(store, as_read=shown) is not None


@pytest.mark.parametrize("verdict", HITLDecision)
async def test_an_approve_waits_for_a_listing_after_its_own_moment(store: Store, verdict: HITLDecision) -> None:
    """One of the very same moment is none. Reject and Skip need none, whatever was read."""
    await admit(store)
    await store.approvals.confirm({"r1": a_request().digest}, began_at=NOW)
    assert await wins(store, a_vote(verdict=verdict, digest=a_request().digest))
    read = await _get(store)
    wrongly = replace(read, confirmed_at=after(9))
    approves = verdict is HITLDecision.APPROVED
    assert (await begin(store, as_read=wrongly) is None) is approves
    if approves:
        await store.approvals.confirm({"r1": a_request().digest}, began_at=after(0.001))
        assert await begin(store, as_read=read) is not None


async def test_what_was_called_resolved_waits_for_a_later_listing(store: Store) -> None:
    """Neither a listing nor a miss of a poll that had begun before says anything; nobody posts it meanwhile."""
    await admit(store)
    assert await wins(store, a_vote(verdict=HITLDecision.REJECTED, digest=a_request().digest))
    begun = await begin(store, until=after(20))
    assert begun is not None
    assert await store.approvals.called_resolved("r1", as_read=begun, at=after(2), next_try=after(3))
    assert not await store.approvals.called_resolved(
        "r1", as_read=replace(begun, attempts=2), at=after(2), next_try=after(3)
    )
    await store.approvals.miss(["r1"], began_at=after(2))
    assert 0 == (await _get(store)).missed
    await store.approvals.confirm({"r1": a_request().digest}, began_at=after(2))
    gone = await _get(store)
    assert (after(2), 1, 0, False) == (gone.gone_at, gone.gones, gone.missed, gone.may_be_told)
    assert await begin(store, now=after(3), until=after(30)) is None
    await store.approvals.miss(["r1"], began_at=after(2.001))
    assert 1 == (await _get(store)).missed
    await store.approvals.confirm({"r1": a_request().digest}, began_at=after(2.002))
    again = await begin(store, now=after(3), until=after(30))
    assert again is not None
    assert (None, 1, 2, True) == (again.gone_at, again.gones, again.attempts, again.may_be_told)


async def test_what_is_settled_is_what_was_read(store: Store) -> None:
    """Something that happened meanwhile keeps it open: a change, an attempt, another call, a new listing."""
    await admit(store)
    await store.approvals.miss(["r1"], began_at=after(1))
    over = {"was": Stage.OPEN, "outcome": Outcome.ELSEWHERE, "at": NOW}
    found = await _get(store)
    for other in (
        replace(found, revision=2),
        replace(found, attempts=1),
        replace(found, missed=2),
        replace(found, request=a_request(arguments=1)),
    ):
        assert not await store.approvals.settle("r1", **over, as_read=other)
    assert found == await _get(store)
    await store.approvals.confirm({"r1": a_request().digest}, began_at=NOW)
    assert not await store.approvals.settle("r1", **over, as_read=found)
    again = await _get(store)
    await store.approvals.miss(["r1"], began_at=after(1))
    assert await store.approvals.settle("r1", **over, as_read=again)


async def test_only_a_new_trouble_shows(store: Store) -> None:
    """Putting a delivery off changes the card when what is said about it changes, and only then."""
    await bring_to(store, Stage.DECIDED)
    seen = []
    for trouble in (None, "503", "503", "504", None):
        await store.approvals.postpone("r1", next_try=after(9), trouble=trouble)
        found = await _get(store)
        seen.append((found.trouble, found.revision, found.next_try))
    said = [(None, 2), ("503", 3), ("503", 3), ("504", 4), (None, 5)]
    assert [(*one, after(9)) for one in said] == seen


async def test_settling_keeps_what_was_known(store: Store) -> None:
    """The decision, the trouble and the counts stay; what is new is added; it happens once."""
    await bring_to(store, Stage.DECIDED)
    await store.approvals.postpone("r1", next_try=after(9), trouble="503")
    before = await _get(store)
    over = {"was": Stage.DECIDED, "outcome": Outcome.APPROVED, "at": after(10)}
    assert await store.approvals.settle("r1", **over, platform_word="approved")
    assert not await store.approvals.settle("r1", **over)
    expected = replace(
        before,
        stage=Stage.SETTLED,
        outcome=Outcome.APPROVED,
        settled_at=after(10),
        platform_word="approved",
        revision=before.revision + 1,
    )
    assert expected == await _get(store)


async def test_settling_tells_its_trouble(store: Store) -> None:
    """Why a decision could not be delivered is kept with the end."""
    await bring_to(store, Stage.DECIDED)
    assert await store.approvals.settle(
        "r1", was=Stage.DECIDED, outcome=Outcome.UNDELIVERABLE, at=NOW, trouble="the deadline came first"
    )
    found = await _get(store)
    assert (Outcome.UNDELIVERABLE, "the deadline came first") == (found.outcome, found.trouble)


@pytest.mark.parametrize("was", [stage for stage in Stage if (stage, Stage.SETTLED) not in STEPS])
async def test_a_step_that_is_not_drawn_is_a_mistake(store: Store, was: Stage) -> None:
    """Settling from a stage that the life does not lead there from is refused out loud."""
    await admit(store)
    with pytest.raises(ValueError, match="an approval cannot go"):
        await store.approvals.settle("r1", was=was, outcome=Outcome.ELSEWHERE, at=NOW)


@pytest.mark.parametrize(
    ("stage", "possible"),
    [
        (Stage.OPEN, {"decide", "ask people", "revise open", "settle open"}),
        (Stage.DECIDED, {"revise decided", "void", "begin delivery", "postpone", "settle decided"}),
        (Stage.SETTLED, {"close"}),
        (Stage.CLOSED, set()),
    ],
)
async def test_each_move_is_possible_at_its_own_stage_only(
    store: Store, rings: list[Step], stage: Stage, possible: set[str]
) -> None:
    """Everywhere else it is refused, leaves the record as it was and wakes nobody."""
    moved = set()
    for move in MOVES:
        await bring_to(store, stage, move)
        await store.approvals.confirm({move: a_request(move).digest}, began_at=after(1))
        before = await store.approvals.get(move)
        rings.clear()
        if await _try(store, move):
            moved.add(move)
        else:
            assert before == await store.approvals.get(move)
            assert [] == rings
    assert possible == moved


async def _try(store: Store, move: str) -> bool:
    """Try this move on the approval whose id is its name."""
    approvals, before = store.approvals, await store.approvals.get(move)
    if move == "decide":
        return await wins(store, a_vote(digest=a_request(move).digest), move)
    if move.startswith("revise"):
        return await revise(store, move, was=Stage(move.removeprefix("revise ")))
    if move == "begin delivery":
        return await begin(store, move, now=NOW, until=after(20)) is not None
    if move == "void":
        return await approvals.void(move, why="denied", at=NOW)
    if move == "postpone":
        await approvals.postpone(move, next_try=after(1), trouble="503")
        return before != await approvals.get(move)
    if move == "ask people":
        return await approvals.ask_people(move)
    if move == "close":
        return await close(store, move)
    was = Stage.OPEN if move == "settle open" else Stage.DECIDED
    return await approvals.settle(move, was=was, outcome=Outcome.SKIPPED, at=NOW)


async def _get(store: Store) -> Approval:
    found = await store.approvals.get("r1")
    assert found is not None
    return found
