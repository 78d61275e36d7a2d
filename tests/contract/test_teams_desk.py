"""Teams in front of the real desk and the real store: who may decide, and what becomes of other presses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.store.open import SqlStore, open_store
from adapters.teams.conversations import account_of
from bot.approval import Approval, Stage
from bot.card import Card, card_of
from bot.flow.check import FORGED
from bot.flow.desk import FrontDesk
from bot.ladder import Deadline, DeadlineSource
from bot.matching import Match
from bot.policy import Person, Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLDecision, HITLRequest
from bot.records import NewApproval, Placement
from bot.routing import ReasonRule, Route
from bot.seal import Seal
from bot.surface import Destination, Surface
from sandbox.teams.messages import Message
from sandbox.teams.people import TENANT, cast
from tests.contract.teams_rig import CHANNEL, Rig, open_rig, texts, verbs
from tests.servers.sqlite_template import lay_database

SEAL = Seal("t" * 32)
HERE = Destination(surface=Surface.TEAMS, channel=CHANNEL)
GUEST = frozenset({Surface.TEAMS})


def somebody(name: str, **more: Any) -> Person:
    """A person of the local Teams who is in the policy."""
    known = cast()[name]
    account = {Surface.TEAMS: account_of(TENANT, known.aad)}
    return Person(handle=name, name=known.full_name, email=known.email, accounts=account, **more)


POLICY = Policy(
    people={
        p.handle: p for p in (somebody("ann"), somebody("bob"), somebody("eve"), somebody("gus", outside=GUEST))
    },
    groups={"finance": ("ann", "bob", "gus")},
    routes=(
        Route(
            name="default",
            match=Match(),
            cards=(HERE,),
            approvers=("finance",),
            quorum=2,
            reason={HITLDecision.REJECTED: ReasonRule.REQUIRED},
            presets=("wrong person",),
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRig:
    """A request that waits, its card in Teams, and the record of it."""

    rig: Rig
    store: SqlStore
    message: Message

    async def record(self) -> Approval:
        """The approval as it is stored."""
        found = await self.store.approvals.get("r1")
        assert found is not None
        return found

    def seen(self, person: str) -> dict[str, Any]:
        """The card as one person sees it."""
        card = self.rig.message(self.message.id).seen_by(person)
        assert card is not None
        return dict(card)

    def card(self, of: Approval) -> Card:
        """The card that the record calls for."""
        return card_of(of, card_id="card-r1", policy=POLICY, seal=SEAL, now=datetime.now(UTC))


@asynccontextmanager
async def open_desk_rig(path: Path) -> AsyncIterator[DeskRig]:
    """Everything connected, one request waiting."""
    now = datetime.now(UTC)
    clock = lambda: datetime.now(UTC)  # noqa: E731 - the desk's and the store's
    lay_database(path)
    async with open_store(f"sqlite:///{path}/nod.db", ring=lambda _: None, pagers=(), clock=clock) as store:
        desk = FrontDesk(store=store, policy=lambda: POLICY, seal=SEAL, clock=clock, metrics=NO_METRICS)
        async with open_rig(desk=desk) as rig:
            request = HITLRequest(
                request_id="r1", tool_name="pay", arguments={"to": "ann", "cents": 12}, agent_id="treasury"
            )
            deadline = Deadline(at=now + timedelta(hours=1), source=DeadlineSource.TIMEOUT_AT)
            approval = Approval(
                request=request, route="default", stage=Stage.OPEN, first_seen=now, deadline=deadline
            )
            placement = Placement(card_id="card-r1", approval_id="r1", destination=HERE)
            await store.approvals.insert([NewApproval(approval=approval, placements=[placement])])
            card = card_of(approval, card_id="card-r1", policy=POLICY, seal=SEAL, now=now)
            ref = await rig.teams.chat.post(card, CHANNEL)
            await store.placements.shown("card-r1", ref=ref, revision=1, digest=request.digest)
            yield DeskRig(rig=rig, store=store, message=rig.message(ref))


@pytest.fixture
async def desk_rig(tmp_path: Path) -> AsyncIterator[DeskRig]:
    """One request in one channel."""
    async with open_desk_rig(tmp_path) as opened:
        yield opened


async def test_two_people_approve_and_the_record_is_theirs(desk_rig: DeskRig) -> None:
    """Each answer counts once, by tenant and object id; the second one decides."""
    assert (await desk_rig.rig.press("approve", message=desk_rig.message)).ok
    assert (await desk_rig.rig.system.replay()).ok
    record = await desk_rig.record()
    assert ["ann"] == [vote.person for vote in record.votes]
    assert Stage.OPEN is record.stage
    await desk_rig.rig.teams.chat.update(desk_rig.card(record), CHANNEL, desk_rig.message.id)
    assert (await desk_rig.rig.press("approve", person="bob", message=desk_rig.message)).ok
    record = await desk_rig.record()
    assert Stage.DECIDED is record.stage
    assert record.decision is not None
    assert "Bob Brandt" == record.decision.actor.name
    assert HITLDecision.APPROVED is record.decision.verdict


async def test_each_sees_what_she_may(desk_rig: DeskRig) -> None:
    """The refresh gives buttons and the route's own reasons to approvers, and status to others and guests."""
    for person in ("ann", "eve", "gus"):
        looked = await desk_rig.rig.system.refresh(person, desk_rig.message)
        assert looked is not None
        assert looked.ok
    assert {"approve", "reject", "skip", "view_all", "claim", "why", "ids"} == set(verbs(desk_rig.seen("ann")))
    assert ["why", "ids"] == verbs(desk_rig.seen("eve"))
    assert ["why", "ids"] == verbs(desk_rig.seen("gus"))
    assert "wrong person" in json.dumps(desk_rig.seen("ann"))


@pytest.mark.parametrize(
    ("person", "said"), [("eve", " can decide this."), ("gus", "Guests and external users cannot decide this")]
)
async def test_who_may_not_is_told_why(desk_rig: DeskRig, person: str, said: str) -> None:
    """A press of theirs changes nothing, and they read why."""
    assert (await desk_rig.rig.press("approve", person=person, message=desk_rig.message)).ok
    assert said in " ".join(texts(desk_rig.seen(person)))
    assert () == (await desk_rig.record()).votes


async def test_a_rejection_needs_its_reason(desk_rig: DeskRig) -> None:
    """The form asks for it, and what is picked is in the record."""
    await desk_rig.rig.press("reject", message=desk_rig.message)
    assert "This route needs a reason." in " ".join(texts(desk_rig.seen("ann")))
    assert (
        await desk_rig.rig.press("reject", message=desk_rig.message, inputs={"nod_preset": "wrong person"})
    ).ok
    record = await desk_rig.record()
    assert record.decision is not None
    assert "wrong person" == record.decision.note


async def test_buttons_of_another_card_and_edited_ones_decide_nothing(desk_rig: DeskRig) -> None:
    """A value of another secret, of another card, or under another verb: refused, and the audit has it."""
    await desk_rig.rig.press("why", person="bob", message=desk_rig.message)
    sent = json.loads(json.dumps(desk_rig.rig.system.delivery.sent[-1].activity))
    true = desk_rig.card(await desk_rig.record()).buttons
    digest = (await desk_rig.record()).request.digest
    forged = [
        (FORGED, Seal("x" * 32).value(card_id="card-r1", verb="approve", digest=digest)),
        ("no record of this card", SEAL.value(card_id="card-r2", verb="approve", digest=digest)),
        ("This request changed", SEAL.value(card_id="card-r1", verb="approve", digest="0" * 64)),
        (FORGED, next(value for which, value in true.items() if which.value == "skip")),
        (FORGED, "v1.a.b.c.d.e"),
    ]
    for number, (says, value) in enumerate(forged):
        activity = {**sent, "id": f"f:{number}"}
        activity["value"]["action"] |= {
            "verb": "nod_approve",
            "data": {"nod": "approve", "value": value, "channel": CHANNEL},
        }
        result = await desk_rig.rig.system.delivery.deliver(activity)
        assert result.ok
        assert says in result.body
    record = await desk_rig.record()
    assert ((), None) == (record.votes, record.decision)


async def test_a_copy_of_a_card_in_another_place_decides_nothing(desk_rig: DeskRig) -> None:
    """A press is valid on the card's own message, and on no other; the copy says so."""
    await desk_rig.rig.press("why", person="bob", message=desk_rig.message)
    sent = json.loads(json.dumps(desk_rig.rig.system.delivery.sent[-1].activity))
    value = desk_rig.card(await desk_rig.record()).buttons
    approve = next(text for which, text in value.items() if which.value == "approve")
    sent["value"]["action"] |= {
        "verb": "nod_approve",
        "data": {"nod": "approve", "value": approve, "channel": CHANNEL},
    }
    copied = {**sent, "id": "f:copy", "replyToId": "4711"}
    assert "This is a copy of the card." in (await desk_rig.rig.system.delivery.deliver(copied)).body
    assert () == (await desk_rig.record()).votes


async def test_i_am_on_it_is_in_the_record(desk_rig: DeskRig) -> None:
    """A claim is stored under the person that the policy names."""
    assert (await desk_rig.rig.press("claim", message=desk_rig.message)).ok
    assert ["ann"] == [claim.person for claim in (await desk_rig.record()).claims]
