"""The desk on a real store, with requests that wait in Slack, and the presses and forms of people there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.store.open import SqlStore, open_store
from bot.approval import Approval, Stage
from bot.call import Sight, text_of
from bot.call import lines_of as shown_lines
from bot.card import DIGEST_SEAL, Button, card_of
from bot.desk import Click, FormData, NotCounted
from bot.errors import Refusal
from bot.flow.desk import FrontDesk
from bot.flow.sights import Sights
from bot.ladder import Deadline, DeadlineSource
from bot.policy import Policy
from bot.ports import NO_METRICS
from bot.protocol import HITLDecision, HITLRequest
from bot.records import NewApproval, Placement
from bot.redaction import Redaction
from bot.routing import ReasonRule, Rules
from bot.seal import Pages, Reading
from tests.contract.test_audit import rows_at
from tests.contract.test_click_matrix import (
    NOON,
    PLACES,
    POLICY,
    SEAL,
    SLACK,
    account_of,
    route,
)
from tests.servers.sqlite_template import lay_database

NOW = NOON + timedelta(minutes=1)
HERE = PLACES[SLACK]
REASONS = {HITLDecision.APPROVED: ReasonRule.OPTIONAL, HITLDecision.SKIPPED: ReasonRule.REQUIRED}
ROUTES = (
    route("presets", presets=("wrong person",)),
    route("asks", reason=REASONS),
    route("quiet", reason={HITLDecision.REJECTED: ReasonRule.NONE}),
    *POLICY.routes,
)


class Late(Sights):
    """Something happens while the call is made ready to be shown."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    async def of(self, request: HITLRequest, *, redaction: Redaction) -> Sight:
        await self._meanwhile()
        return await super().of(request, redaction=redaction)


@dataclass
class Rig:
    """A desk on a real store."""

    store: SqlStore
    url: str
    policy: Policy = field(
        default_factory=lambda: replace(
            POLICY, routes=ROUTES, rules=Rules(), redaction=Redaction(names=("pin",))
        )
    )
    sights: Sights = field(default_factory=Sights)

    @property
    def desk(self) -> FrontDesk:
        return FrontDesk(
            store=self.store,
            policy=lambda: self.policy,
            seal=SEAL,
            clock=lambda: NOW,
            metrics=NO_METRICS,
            sights=self.sights,
        )

    async def asks(self, key: str = "r1", *, by: str = "one", up: bool = True, **more: Any) -> HITLRequest:
        """A request that waits, with its card up in Slack; the later its key, the later its deadline."""
        usual: dict[str, Any] = {"tool_name": "pay", "arguments": {"amount": 5, "pin": "4711"}}
        request = HITLRequest(**(usual | more | {"request_id": key, "agent_id": "agent"}))
        deadline = NOON + timedelta(minutes=2 + int(key[1:]))
        approval = Approval(
            request=request,
            route=by,
            stage=Stage.OPEN,
            first_seen=NOON,
            deadline=Deadline(at=deadline, source=DeadlineSource.TIMEOUT_AT),
        )
        card = Placement(card_id=f"c-{key}", approval_id=key, destination=HERE)
        await self.store.approvals.insert([NewApproval(approval=approval, placements=[card])])
        if up:
            await self.store.placements.shown(card.card_id, ref="m1", revision=1, digest=request.digest)
        return request

    async def gathers(self, *keys: str) -> str:
        """All of these are on the channel's queue message; its id."""
        await self.store.queue_messages.batch([f"c-{key}" for key in keys])
        (message,) = await self.store.queue_messages.standing(lines=1)
        return message.digest_id

    async def record(self, key: str = "r1") -> Approval:
        found = await self.store.approvals.get(key)
        assert found is not None
        return found

    async def form(self, click: Click, key: str = "r1", **more: Any) -> FormData:
        """The form that this person gets; `more` is what is particular to it."""
        approval = await self.record(key)
        request, card_id = approval.request, f"c-{key}"
        usual: dict[str, Any] = {
            "card": card_of(approval, card_id=card_id, policy=self.policy, seal=SEAL, now=NOW),
            "call": text_of(shown_lines(request, redaction=self.policy.redaction)),
            "approvable": True,
            "reason": ReasonRule.NONE,
            "approve_value": SEAL.value(card_id=card_id, verb="approve", digest=request.digest),
            "reading": reading(click, request, card_id),
        }
        return FormData(**(usual | more))

    async def refused(self, click: Click) -> tuple[Refusal, str]:
        """Why a press has no effect."""
        told = await self.desk.press(click)
        assert isinstance(told, NotCounted)
        return told.code, told.text

    async def noted(self) -> tuple[str | None, datetime, dict[str, Any]]:
        """The last row of the audit."""
        row = (await rows_at(self.url))[-1]
        assert "refused" == row.kind
        return row.approval_id, datetime.fromtimestamp(row.at_ms / 1000, tz=NOW.tzinfo), json.loads(row.body)


@asynccontextmanager
async def open_desk(path: Path) -> AsyncIterator[Rig]:
    """A store with nothing in it, in this folder."""
    lay_database(path)
    url = f"sqlite:///{path / 'nod.db'}"
    async with open_store(url, ring=lambda _: None, pagers=(), clock=lambda: NOW) as store:
        yield Rig(store=store, url=url)


def press(request: HITLRequest, verb: Button, who: str = "ann", **more: Any) -> Click:
    """A press on the card of this request."""
    card_id = f"c-{request.request_id}"
    usual: dict[str, Any] = {
        "surface": SLACK,
        "account": account_of(who, SLACK),
        "home": True,
        "value": SEAL.value(card_id=card_id, verb=verb.value, digest=request.digest),
        "channel": HERE.channel,
        "ref": "m1",
        "verb": verb,
    }
    return Click(**(usual | more))


def press_next(digest_id: str, *, after: str | None = None, who: str = "ann", **more: Any) -> Click:
    """Next on a queue message."""
    usual: dict[str, Any] = {
        "surface": SLACK,
        "account": account_of(who, SLACK),
        "home": True,
        "value": SEAL.value(card_id=digest_id, verb=Button.NEXT.value, digest=DIGEST_SEAL),
        "channel": HERE.channel,
        "ref": "m9",
        "verb": Button.NEXT,
        "after": after,
    }
    return Click(**(usual | more))


def reading(click: Click, request: HITLRequest, card_id: str = "c-r1") -> Reading:
    """What this person's look at the call is sealed with."""
    call = text_of(shown_lines(request, redaction=Redaction(names=("pin",))))
    return Reading(
        seal=SEAL,
        surface=click.surface,
        account=click.account,
        card_id=card_id,
        digest=request.digest,
        call=call,
    )


def same(form: FormData | None, expected: FormData) -> bool:
    """With the seals of the pages, which a reading leaves out of its comparison."""
    assert form is not None
    assert form == expected
    pages = Pages(seen=0, count=1)
    return form.reading.sealed(pages) == expected.reading.sealed(pages)
