"""A call, a deadline or a policy that changes under way: nobody is left in peace who should be asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bot.approval import Actor, Claim, Vote
from bot.card import Button, Card
from bot.ladder import Action, Rung, lease_at
from bot.matching import Match, Pattern
from bot.policy import Person, Policy
from bot.protocol import HITLDecision, HITLRequest
from bot.records import LAST_CALLS, Claimed, DueRung, Step
from bot.routing import Route
from bot.surface import Destination, Surface
from bot.wording import CardState
from tests.servers.fake_clock_bot import BEGIN, FakeClockBot, open_fake_clock_bot

FINANCE, BOARD = (Destination(surface=Surface.SLACK, channel=name) for name in ("C0FINANCE", "C0BOARD"))
PEOPLE = {
    name: Person(handle=name, name=name.title(), accounts={Surface.SLACK: f"U{name}"})
    for name in ("ann", "bob", "olu", "cfo")
}
PING = Rung(action=Action.PING, share=0.5, who=("olu",))
PAGE = Rung(action=Action.PAGE, share=0.8)


def route_of(*ladder: Rung, name: str = "default", tool: str | None = None, quorum: int = 1) -> Route:
    """A route to finance, for one tool or for everything."""
    match = Match(tool=Pattern(text=tool)) if tool else Match()
    return Route(
        name=name, match=match, cards=(FINANCE,), approvers=("ann", "bob"), ladder=ladder, quorum=quorum
    )


def policy_of(*routes: Route) -> Policy:
    """Four people, and these routes."""
    return Policy(people=PEOPLE, groups={}, routes=routes)


def change(work: FakeClockBot, **changes: object) -> None:
    """The platform lists something else for the request `r1` from now on."""
    work.platform.waiting["r1"] = replace(work.platform.waiting["r1"], **changes)  # type: ignore[arg-type]
    work.wake_ups.add(Step.INGEST)


def open_cards(work: FakeClockBot) -> dict[str, Card]:
    """The cards that ask, as they look now, by message."""
    last = {ref: drawn[-1][1] for ref, drawn in work.chat.cards.items()}
    return {ref: card for ref, card in last.items() if card.state is CardState.OPEN}


def says(card: Card) -> str:
    """What a card says."""
    return " ".join("".join(str(part) for part in said) for said in card.status)


def pinged(work: FakeClockBot, account: str) -> list[int]:
    """Seconds after BEGIN at which this person got a direct message."""
    return [round((said.at - BEGIN).total_seconds()) for said in work.chat.notices if account in said.channel]


async def claimed(work: FakeClockBot, person: str) -> None:
    """This person claims it, for a fifth of the time that is left."""
    approval = await work.store.approvals.get("r1")
    assert approval is not None
    now = work.clock()
    lease = lease_at(now, deadline=approval.deadline.at, share=0.2)
    claim = Claim(person=person, name=person.title(), at=now, until=lease.until)
    last_call = DueRung(
        approval_id="r1", number=LAST_CALLS, due_at=lease.last_call, action=Action.LAST_CALL, who=(person,)
    )
    digest = approval.request.digest
    assert Claimed.YES is await work.store.approvals.claim(
        "r1", claim=claim, digest=digest, last_call=last_call
    )


async def test_a_call_for_other_people_climbs_their_ladder(tmp_path: Path) -> None:
    """Two rungs of the old route had fired: the new route's first two fire all the same."""
    harmless = route_of(Rung(action=Action.REMIND, share=0.1), Rung(action=Action.REMIND, share=0.2))
    deploys = route_of(PING, PAGE, name="prod", tool="deploy")
    async with open_fake_clock_bot(tmp_path, policy_of(deploys, harmless)) as work:
        work.ask("r1", window=1000)
        await work.run(300)
        change(work, tool_name="deploy")
        await work.run(100)
        (card,) = open_cards(work).values()
        assert "Olu is pinged at" in says(card)
        assert "Escalated" not in says(card)
        await work.run(500)

        assert [500] == pinged(work, "Uolu")
        assert ["rung-1"] == [alert.cause for _, alert in work.pager.pages]


async def test_a_window_that_grows_to_a_day_is_escalated_again(tmp_path: Path) -> None:
    """All rungs of three minutes had fired; those of the day come, with messages and a page of their own."""
    async with open_fake_clock_bot(tmp_path, policy_of(route_of(PING, PAGE))) as work:
        work.ask("r1", window=180)
        await work.run(170)
        change(work, timeout_at=(BEGIN + timedelta(days=1)).isoformat())
        await work.run(60)
        approval = await work.store.approvals.get("r1")
        assert approval is not None
        assert approval.ahead is not None
        assert (Action.PING, ("olu",)) == (approval.ahead.action, approval.ahead.who)
        await work.run(80_000)

        assert [90, 43_200] == pinged(work, "Uolu")
        assert [144, 69_120] == [
            round((at - BEGIN).total_seconds()) for at, alert in work.pager.pages if alert.resolved is None
        ]


async def test_who_was_let_in_by_a_rung_sees_the_changed_call(tmp_path: Path) -> None:
    """The CFO can decide it, so it is posted in their channel too."""
    widen = Rung(action=Action.WIDEN, share=0.3, who=("cfo",), cards=(BOARD,))
    async with open_fake_clock_bot(tmp_path, policy_of(route_of(widen))) as work:
        work.ask("r1", window=1000)
        await work.run(400)
        change(work, arguments={"to": "bob"})
        await work.run(60)

        standing = [p for p in await work.store.placements.of("r1") if not p.superseded]
        assert {FINANCE, BOARD} == {p.destination for p in standing if p.ref}
        assert all("Cfo" in says(card) for card in open_cards(work).values())
        assert 2 == len(open_cards(work))


async def test_a_deadline_that_comes_nearer_shortens_a_claim(tmp_path: Path) -> None:
    """Three days became one hour: a claim does not keep the others out of it until the end."""
    async with open_fake_clock_bot(tmp_path, policy_of(route_of(PING, PAGE))) as work:
        work.platform.waiting["r1"] = HITLRequest(
            request_id="r1", tool_name="pay", agent_id="treasury", arguments={}, timeout_seconds=3 * 86_400.0
        )
        work.wake_ups.add(Step.INGEST)
        await work.run(60)
        await claimed(work, "ann")
        change(work, timeout_seconds=3_600.0)
        await work.run(3_500)

        assert [60 + round(3_540 * 0.2 * 0.75)] == pinged(work, "Uann")
        assert [1_800] == pinged(work, "Uolu")
        assert ["rung-1"] == [alert.cause for _, alert in work.pager.pages]


async def test_a_vote_of_hers_ends_her_claim(tmp_path: Path) -> None:
    """A second person is needed: they hear of it in time, and the card has its button again."""
    ladder = Rung(action=Action.PING, share=0.2, who=("bob",))
    async with open_fake_clock_bot(tmp_path, policy_of(route_of(ladder, quorum=2))) as work:
        work.ask("r1", window=3_600)
        await work.run(600)
        await claimed(work, "ann")
        await work.run(5)
        approval = await work.store.approvals.get("r1")
        assert approval is not None
        vote = Vote(
            person="ann", verdict=HITLDecision.APPROVED, at=work.clock(), card_id="c",
            actor=Actor(surface=Surface.SLACK, account="Uann", name="Ann"), digest=approval.request.digest,
        )  # fmt: skip
        await work.store.approvals.vote("r1", vote=vote, needs=2, eligible=None)
        await work.run(0)
        (card,) = open_cards(work).values()
        assert "has this until" not in says(card)
        assert Button.CLAIM in card.buttons
        await work.run(1_000)

        assert ([], [720]) == (pinged(work, "Uann"), pinged(work, "Ubob"))


async def test_a_card_shows_that_a_lease_has_ended(tmp_path: Path) -> None:
    """At that moment the claim is gone, another person can claim it, and the next rung is shown again."""
    late = Rung(action=Action.PING, share=0.9, who=("olu",))
    async with open_fake_clock_bot(tmp_path, policy_of(route_of(late))) as work:
        work.ask("r1", window=36_000)
        await work.run(60)
        await claimed(work, "ann")
        await work.run(1)
        (card,) = open_cards(work).values()
        assert "Ann has this until" in says(card)
        assert Button.CLAIM not in card.buttons
        await work.run((36_000 - 60) * 0.2)
        (card,) = open_cards(work).values()
        assert "has this until" not in says(card)
        assert Button.CLAIM in card.buttons
        assert "Olu is pinged at" in says(card)


async def test_a_request_that_comes_back_is_asked_by_the_policy_of_now(tmp_path: Path) -> None:
    """Its route left the file while it was away: it goes by the one that it would have today."""
    old, new = route_of(PING, name="old"), replace(route_of(PING), cards=(BOARD,))
    async with open_fake_clock_bot(tmp_path, policy_of(old)) as work:
        work.ask("r1", window=1000)
        await work.run(10)
        waiting = work.platform.waiting.pop("r1")
        for _ in range(4):
            work.wake_ups.add(Step.INGEST)
            await work.run(2)
        work.policy = policy_of(new)
        work.platform.waiting["r1"] = waiting
        work.wake_ups.add(Step.INGEST)
        await work.run(5)

        approval = await work.store.approvals.get("r1")
        assert approval is not None
        assert "default" == approval.route
        assert 2 == len(open_cards(work))
        assert all("Ann or Bob can decide" in says(card) for card in open_cards(work).values())


async def test_a_card_pings_its_approvers_where_the_route_says_so(tmp_path: Path) -> None:
    """With the card itself, nobody by default, and nobody who asked for it."""
    loud = replace(route_of(PING), mentions_approvers=True, requester="arguments.to")
    async with open_fake_clock_bot(tmp_path, policy_of(loud)) as work:
        work.ask("r1", window=1000)
        await work.run(5)
        (card,) = open_cards(work).values()
        assert ("Ubob",) == card.mentions
