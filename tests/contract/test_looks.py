"""View all in front of the real desk: the pages of a look belong to the person who turned them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from adapters.store.open import SqlStore, open_store
from adapters.teams.conversations import account_of
from bot.approval import Approval, Outcome, Stage
from bot.card import Button, card_of
from bot.desk import Click, Identified, NotCounted, Voted, WholeCall
from bot.errors import Refusal
from bot.flow.desk import FrontDesk
from bot.ladder import Deadline, DeadlineSource
from bot.matching import Match
from bot.policy import Person, Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLRequest
from bot.records import NewApproval, Placement
from bot.routing import Route
from bot.seal import Seal
from bot.surface import Destination, Surface
from sandbox.slack.messages import View
from sandbox.teams.people import TENANT, cast
from tests.contract import slack_rig, teams_rig
from tests.contract.test_slack_forged import sent
from tests.contract.test_slack_whole import turn
from tests.servers.sqlite_template import lay_database

SEAL = Seal("l" * 32)
PLACES = {
    Surface.SLACK: Destination(surface=Surface.SLACK, channel=slack_rig.CHANNEL),
    Surface.TEAMS: Destination(surface=Surface.TEAMS, channel=teams_rig.CHANNEL),
}
ACCOUNTS = {
    "ann": {Surface.SLACK: "U0ANN", Surface.TEAMS: account_of(TENANT, cast()["ann"].aad)},
    "bob": {Surface.SLACK: "U0BOB", Surface.TEAMS: account_of(TENANT, cast()["bob"].aad)},
}
POLICY = Policy(
    people={name: Person(handle=name, name=name, accounts=accounts) for name, accounts in ACCOUNTS.items()},
    groups={"finance": tuple(ACCOUNTS)},
    routes=(
        Route(name="default", match=Match(), cards=tuple(PLACES.values()), approvers=("finance",), quorum=2),
    ),
)
SHORT = {"to": "jane", "cents": 12}
#: Two pages and more on either surface.
LONG = {
    Surface.SLACK: {"body": "\n".join(f"line {n} " + "é" * 60 for n in range(500))},
    Surface.TEAMS: {"body": "\n".join(f"line {n} of a letter" for n in range(100))},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRig:
    """One request that waits, with a card on one surface, and the desk behind it."""

    store: SqlStore
    desk: FrontDesk
    place: Destination
    request: HITLRequest

    @property
    def card_id(self) -> str:
        """The card's own id."""
        return f"card-{self.place.surface}"

    async def votes(self) -> list[str]:
        """Who approved it so far."""
        found = await self.store.approvals.get("r1")
        assert found is not None
        return [vote.person for vote in found.votes]

    async def posted(self, chat: Any) -> str:
        """The card, up; returns its ref."""
        found = await self.store.approvals.get("r1")
        assert found is not None
        card = card_of(found, card_id=self.card_id, policy=POLICY, seal=SEAL, now=datetime.now(UTC))
        ref: str = await chat.post(card, self.place.channel)
        await self.store.placements.shown(self.card_id, ref=ref, revision=1, digest=self.request.digest)
        return ref

    def click(self, verb: Button, *, sealed: str | None = None, who: str = "ann", **more: Any) -> Click:
        """A press, with a value that is sealed for `sealed`."""
        value = SEAL.value(card_id=self.card_id, verb=sealed or verb.value, digest=self.request.digest)
        usual: dict[str, Any] = {
            "surface": self.place.surface,
            "account": ACCOUNTS[who][self.place.surface],
            "home": True,
            "value": value,
            "channel": self.place.channel,
            "ref": "m",
            "verb": verb,
        }
        return Click(**{**usual, **more})


@asynccontextmanager
async def open_desk_rig(path: Path, surface: Surface, arguments: dict[str, Any]) -> AsyncIterator[DeskRig]:
    """Everything but the chat."""
    now = datetime.now(UTC)
    clock = lambda: datetime.now(UTC)  # noqa: E731 - the desk's and the store's
    lay_database(path)
    async with open_store(f"sqlite:///{path}/nod.db", ring=lambda _: None, pagers=(), clock=clock) as store:
        desk = FrontDesk(store=store, policy=lambda: POLICY, seal=SEAL, clock=clock, metrics=NO_METRICS)
        request = HITLRequest(request_id="r1", tool_name="mail", arguments=arguments, agent_id="clerk")
        deadline = Deadline(at=now + timedelta(hours=1), source=DeadlineSource.TIMEOUT_AT)
        waiting = Approval(
            request=request, route="default", stage=Stage.OPEN, first_seen=now, deadline=deadline
        )
        desk_rig = DeskRig(store=store, desk=desk, place=PLACES[surface], request=request)
        placement = Placement(card_id=desk_rig.card_id, approval_id="r1", destination=PLACES[surface])
        await store.approvals.insert([NewApproval(approval=waiting, placements=[placement])])
        yield desk_rig


@pytest.mark.parametrize(
    "verb", [Button.VIEW_ALL, Button.VIEW_CALL, Button.CLAIM, Button.WHY, Button.IDS, Button.NEXT]
)
async def test_no_seal_but_a_verdicts_decides(tmp_path: Path, verb: Button) -> None:
    """The seals of View all, of a claim and of a question are wider than an answer, and never one."""
    async with open_desk_rig(tmp_path, Surface.SLACK, SHORT) as desk_rig:
        await desk_rig.desk.press(desk_rig.click(verb))
        refused = await desk_rig.desk.press(desk_rig.click(Button.APPROVE, sealed=verb.value))
        assert isinstance(refused, NotCounted)
        assert Refusal.FORGED is refused.code
        assert [] == await desk_rig.votes()


async def read_in_slack(rig: slack_rig.Rig, desk_rig: DeskRig) -> View:
    """Ann turns to the last page; the view that she has then."""
    ref = await desk_rig.posted(rig.slack.chat)
    await slack_rig.press(rig, "view_all", ref=ref)
    await slack_rig.until(lambda: rig.workspace.views("U0ANN"))
    view = rig.workspace.views("U0ANN")[0]
    while view.definition.get("submit") is None:
        view = await turn(rig, view, "next")
    return view


def submission(rig: slack_rig.Rig, view: View, user: str, **kept: Any) -> bytes:
    """What Slack would send if this user submitted this view, with other things in its memory."""
    payload = json.loads(json.dumps(rig.workspace.delivery.sent[-1].payload))
    metadata = json.loads(view.definition["private_metadata"]) | kept
    payload = {name: payload[name] for name in ("user", "team", "api_app_id") if name in payload}
    payload["user"]["id"] = user
    shown = {**view.definition, "id": view.id, "hash": view.hash, "state": {"values": {}}}
    payload |= {"type": "view_submission", "view": {**shown, "private_metadata": json.dumps(metadata)}}
    return urlencode({"payload": json.dumps(payload)}).encode()


async def test_in_slack_one_persons_pages_are_nobody_elses(tmp_path: Path) -> None:
    """Ann's last page, submitted as Bob, is refused; submitted as Ann, it is valid."""
    async with (
        open_desk_rig(tmp_path, Surface.SLACK, LONG[Surface.SLACK]) as desk_rig,
        slack_rig.open_rig(desk=desk_rig.desk) as rig,
    ):
        last = await read_in_slack(rig, desk_rig)
        answer = await sent(rig, submission(rig, last, "U0BOB"))
        assert "You have not seen every page" in answer.text
        assert [] == await desk_rig.votes()
        answer = await sent(rig, submission(rig, last, "U0ANN"))
        assert 200 == answer.status_code
        assert ["ann"] == await desk_rig.votes()


async def test_in_slack_pages_that_nod_did_not_show_are_not_taken_for_shown(tmp_path: Path) -> None:
    """A memory that says more than its seal, or has none, decides nothing."""
    async with (
        open_desk_rig(tmp_path, Surface.SLACK, LONG[Surface.SLACK]) as desk_rig,
        slack_rig.open_rig(desk=desk_rig.desk) as rig,
    ):
        ref = await desk_rig.posted(rig.slack.chat)
        await slack_rig.press(rig, "view_all", ref=ref)
        await slack_rig.until(lambda: rig.workspace.views("U0ANN"))
        (first,) = rig.workspace.views("U0ANN")
        kept = json.loads(first.definition["private_metadata"])
        approve = SEAL.value(card_id=desk_rig.card_id, verb="approve", digest=desk_rig.request.digest)
        end = kept["pages"] - 1
        for forged in (
            {"page": end, "seen": end, "approve": approve},
            {"page": 0, "seen": 0, "pages": 1, "approve": approve},
            {"page": end, "seen": end, "approve": approve, "proof": "x"},
            {"page": end, "seen": end, "approve": approve, "proof": ""},
        ):
            answer = await sent(rig, submission(rig, first, "U0ANN", **forged))
            assert 400 == answer.status_code or "You have not seen every page" in answer.text
        assert [] == await desk_rig.votes()


async def test_in_slack_turning_a_page_is_never_an_answer(tmp_path: Path) -> None:
    """A page whose memory says that its button was an Approve is not read, and nobody voted."""
    async with (
        open_desk_rig(tmp_path, Surface.SLACK, LONG[Surface.SLACK]) as desk_rig,
        slack_rig.open_rig(desk=desk_rig.desk) as rig,
    ):
        await read_in_slack(rig, desk_rig)
        payload = json.loads(json.dumps(rig.workspace.delivery.sent[-1].payload))
        kept = json.loads(payload["view"]["private_metadata"])
        for verb in ("approve", "skip", "claim"):
            value = SEAL.value(card_id=desk_rig.card_id, verb=verb, digest=desk_rig.request.digest)
            forged = {**kept, "thread": {**kept["thread"], "verb": verb, "value": value}}
            payload["view"]["private_metadata"] = json.dumps(forged)
            answer = await sent(rig, urlencode({"payload": json.dumps(payload)}).encode())
            assert 400 == answer.status_code
        found = await desk_rig.store.approvals.get("r1")
        assert found is not None
        assert ((), (), None) == (found.votes, found.claims, found.decision)


async def test_in_teams_one_persons_pages_are_nobody_elses(tmp_path: Path) -> None:
    """The same rule there; Nod may even have been restarted between two pages."""
    async with (
        open_desk_rig(tmp_path, Surface.TEAMS, LONG[Surface.TEAMS]) as desk_rig,
        teams_rig.open_rig(desk=desk_rig.desk) as rig,
    ):
        message = rig.message(await desk_rig.posted(rig.teams.chat))
        await rig.press("why", person="bob", message=message)
        as_bob = json.loads(json.dumps(rig.system.delivery.sent[-1].activity))
        await rig.press("view_all", message=message)
        while "approve" not in teams_rig.verbs(page := rig.message(message.id).seen_by("ann")):
            await rig.press("turn", message=message, inputs={}, title="Next page")
        assert page is not None
        (data,) = [a["data"] for a in page["actions"] if a["verb"] == "nod_approve"]
        as_bob["id"] = "f:1"
        as_bob["value"]["action"] |= {"verb": "nod_approve", "data": data}
        refused = await rig.system.delivery.deliver(as_bob)
        assert "You have not seen every page" in refused.body
        assert [] == await desk_rig.votes()
        assert (await rig.press("approve", message=message)).ok
        assert ["ann"] == await desk_rig.votes()


async def test_who_cannot_be_looked_up_hears_just_that(tmp_path: Path) -> None:
    """Not that only others may decide; and the press has people looked up. Else it is as ever."""
    async with open_desk_rig(tmp_path, Surface.SLACK, SHORT) as desk_rig:
        for unasked, code, looks in (
            (frozenset({Surface.SLACK}), Refusal.LOOKUP_FAILED, 1),
            (frozenset({Surface.TEAMS}), Refusal.NOT_APPROVER, 0),
            (frozenset(), Refusal.NOT_APPROVER, 0),
        ):
            looked: list[int] = []
            policy = replace(POLICY, people={}, unasked=unasked)
            desk = FrontDesk(
                store=desk_rig.store,
                policy=lambda policy=policy: policy,  # type: ignore[misc]
                seal=SEAL,
                clock=lambda: datetime.now(UTC),
                metrics=NO_METRICS,
                look_up=lambda looked=looked: looked.append(1),  # type: ignore[misc]
            )
            refused = await desk.press(desk_rig.click(Button.APPROVE))
            assert isinstance(refused, NotCounted)
            assert code is refused.code
            assert looks == len(looked)


async def decided(desk_rig: DeskRig, ref: str = "m") -> None:
    """Bob rejects it, and the platform takes that."""
    reply = await desk_rig.desk.press(desk_rig.click(Button.REJECT, who="bob", form=True, ref=ref))
    assert isinstance(reply, Voted)
    settled = await desk_rig.store.approvals.settle(
        "r1", was=Stage.DECIDED, outcome=Outcome.REJECTED, at=datetime.now(UTC)
    )
    assert settled


async def test_the_call_stays_readable_once_it_is_decided(tmp_path: Path) -> None:
    """Everyone who sees the card can read the call once it has ended, not before; it never opens Approve."""
    async with open_desk_rig(tmp_path, Surface.SLACK, SHORT) as desk_rig:
        early = await desk_rig.desk.press(desk_rig.click(Button.VIEW_CALL))
        assert isinstance(early, NotCounted)
        await decided(desk_rig)
        read = await desk_rig.desk.press(desk_rig.click(Button.VIEW_CALL, account="U0EVE"))
        assert isinstance(read, WholeCall)
        assert "jane" in read.form.call
        assert (False, "") == (read.form.approvable, read.form.approve_value)
        assert Button.VIEW_CALL in read.form.card.buttons


async def test_what_was_hidden_on_the_card_is_for_who_could_decide(tmp_path: Path) -> None:
    """The rest of a long call is shown to nobody who could not open it before."""
    async with open_desk_rig(tmp_path, Surface.SLACK, LONG[Surface.SLACK]) as desk_rig:
        await decided(desk_rig)
        refused = await desk_rig.desk.press(desk_rig.click(Button.VIEW_CALL, account="U0EVE"))
        assert isinstance(refused, NotCounted)
        assert Refusal.NOT_APPROVER is refused.code
        assert isinstance(await desk_rig.desk.press(desk_rig.click(Button.VIEW_CALL, who="bob")), WholeCall)


async def test_the_ids_behind_the_names_are_one_press_away(tmp_path: Path) -> None:
    """For everybody who sees the card, and for nobody with a button that Nod did not make."""
    async with open_desk_rig(tmp_path, Surface.SLACK, SHORT) as desk_rig:
        told = await desk_rig.desk.press(desk_rig.click(Button.IDS, account="U0EVE"))
        assert isinstance(told, Identified)
        assert (("Request", "r1"), ("Agent", "clerk")) == told.ids
        forged = await desk_rig.desk.press(desk_rig.click(Button.IDS, sealed="why"))
        assert isinstance(forged, NotCounted)
        assert Refusal.FORGED is forged.code


async def test_a_decided_call_is_read_in_pages_in_slack(tmp_path: Path) -> None:
    """Behind the button beside the title; the last page has nothing to submit."""
    async with (
        open_desk_rig(tmp_path, Surface.SLACK, LONG[Surface.SLACK]) as desk_rig,
        slack_rig.open_rig(desk=desk_rig.desk) as rig,
    ):
        ref = await desk_rig.posted(rig.slack.chat)
        await decided(desk_rig, ref)
        found = await desk_rig.store.approvals.get("r1")
        assert found is not None
        over = card_of(found, card_id=desk_rig.card_id, policy=POLICY, seal=SEAL, now=datetime.now(UTC))
        await rig.slack.chat.update(over, desk_rig.place.channel, ref)
        assert (await slack_rig.press(rig, "view_call", ref=ref)).ok
        await slack_rig.until(lambda: rig.workspace.views("U0ANN"))
        view = rig.workspace.views("U0ANN")[-1]
        view = await turn(rig, view, "next")
        assert "Page 2 of" in json.dumps(view.definition)
        assert "submit" not in view.definition
        assert "cannot be approved" not in json.dumps(view.definition)


async def test_a_decided_call_is_read_in_pages_in_teams(tmp_path: Path) -> None:
    """In the place of the card, with the way back to it."""
    async with (
        open_desk_rig(tmp_path, Surface.TEAMS, LONG[Surface.TEAMS]) as desk_rig,
        teams_rig.open_rig(desk=desk_rig.desk) as rig,
    ):
        ref = await desk_rig.posted(rig.teams.chat)
        await decided(desk_rig, ref)
        found = await desk_rig.store.approvals.get("r1")
        assert found is not None
        over = card_of(found, card_id=desk_rig.card_id, policy=POLICY, seal=SEAL, now=datetime.now(UTC))
        await rig.teams.chat.update(over, desk_rig.place.channel, ref)
        message = rig.message(ref)
        for press, said in (
            ("view_call", "Page 1 of"),
            ("turn", "Page 2 of"),
            ("show", "Rejected: mail"),
        ):
            assert (await rig.press(press, message=message)).ok
            message = rig.message(ref)
            assert said in json.dumps(message.seen_by("ann"), ensure_ascii=False)
