"""Nod's Slack adapter against the local Slack, over real HTTP and real websockets, with a desk to look at."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.slack import SCOPES, Slack, open_slack
from bot.approval import Claim, Vote
from bot.call import lines_of, text_of
from bot.card import Button, Card
from bot.desk import Asked, Click, Desk
from bot.errors import Refusal, Refused
from bot.protocol import HITLDecision, HITLRequest
from bot.redaction import Redaction
from bot.routing import ReasonRule
from bot.seal import Reading
from sandbox.faults import Faults
from sandbox.faults import routes as fault_routes
from sandbox.serve import serve
from sandbox.slack.mount import slack_routes
from sandbox.slack.people import App
from sandbox.slack.workspace import Workspace, open_workspace
from tests.render.cards import CARD_ID, SEAL, approval, claim, request, shown, vote

CHANNEL = "C0APPROVALS"

VERDICTS = {
    Button.APPROVE: HITLDecision.APPROVED,
    Button.REJECT: HITLDecision.REJECTED,
    Button.SKIP: HITLDecision.SKIPPED,
}
#: The app as its manifest has it.
ALLOWED = App(scopes=",".join(SCOPES))


@dataclass(slots=True)
class FakeDesk:
    """A `bot.desk.Desk` in memory: says what it is told to, and keeps every click that it took."""

    asked: HITLRequest = field(default_factory=request)
    rule: ReasonRule = ReasonRule.NONE
    presets: tuple[str, ...] = ()
    approvable: bool = True
    refusal: Refused | None = None
    trouble: Exception | None = None
    card_id: str = CARD_ID
    opens: bool = False  #: look at the seals, as the real desk does
    taken: list[Click] = field(default_factory=list)
    seen: list[Click] = field(default_factory=list)  #: every click that came, taken or not
    explained: tuple[str, ...] = ("Route: default", "You: you may decide this.")
    behind: list[str | None] = field(default_factory=list)  #: of each Next, the card that was looked at
    before_commit: Callable[[], Awaitable[object]] | None = None
    _made: tuple[HITLRequest, Card, str] | None = None

    @property
    def card(self) -> Card:
        """The card of the call; a long one takes a while, so it is made once."""
        if self._made is None or self._made[0] is not self.asked:
            call = text_of(lines_of(self.asked, redaction=Redaction()))
            self._made = (self.asked, shown(approval(self.asked)), call)
        return replace(self._made[1], card_id=self.card_id)

    @property
    def call(self) -> str:
        """All of the call as text."""
        return self._made[2] if self.card and self._made else ""

    @property
    def approve_value(self) -> str:
        """The sealed value of an Approve behind the whole call."""
        return SEAL.value(card_id=CARD_ID, verb=Button.APPROVE.value, digest=self.asked.digest)

    async def decide(self, click: Click) -> Vote:
        """Take the vote, or refuse as told."""
        await self._look(click)
        if self.before_commit:
            await self.before_commit()
        self.taken.append(click)
        return vote(VERDICTS[click.verb], note=click.note)

    async def ask(self, click: Click) -> Asked:
        """The card, its call and the rule that the test set."""
        await self._look(click)
        return Asked(
            card=self.card,
            call=self.call,
            reading=self.reading(click),
            approvable=self.approvable,
            reason=self.rule,
            presets=self.presets,
            approve_value=self.approve_value,
        )

    def reading(self, click: Click) -> Reading:
        """This person's look at the call."""
        return Reading(
            seal=SEAL,
            surface=click.surface,
            account=click.account,
            card_id=CARD_ID,
            digest=self.asked.digest,
            call=self.call,
        )

    def whole(self, click: Click) -> bool:
        """Whether every page was shown to this person, as the real desk finds out."""
        pages = self.reading(click).opened(click.look) if click.look else None
        return pages is not None and pages.whole

    async def look(self, click: Click) -> Asked | None:
        """As `ask`: whether somebody may decide is told by `explained`."""
        return await self.ask(click)

    async def claim(self, click: Click) -> Claim:
        """Take the claim, or refuse as told."""
        await self._look(click)
        self.taken.append(click)
        return claim()

    async def next(self, click: Click, *, after: str | None = None) -> Asked:
        """The request that the test set; every press is kept with the card that it came from."""
        self.behind.append(after)
        return await self.ask(click)

    async def explain(self, click: Click) -> tuple[str, ...]:
        """The lines that the test set."""
        await self._look(click)
        return self.explained

    async def _look(self, click: Click) -> None:
        self.seen.append(click)
        sealed = SEAL.open(click.value)
        if self.opens and (sealed is None or sealed.verb != click.verb.value):
            raise Refused(Refusal.FORGED, "This button was not made by Nod. Nothing was decided.")
        if self.trouble:
            raise self.trouble
        if self.refusal:
            raise self.refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """What a test holds in its hands."""

    workspace: Workspace
    slack: Slack
    desk: FakeDesk
    faults: Faults
    counted: Counter[str]
    url: str  #: of the local Slack
    events: str  #: of Nod's endpoint

    async def card_up(self, channel: str = "C0APPROVALS") -> str:
        """Post the desk's card; returns its ref."""
        return await self.slack.chat.post(self.desk.card, channel)


@asynccontextmanager
async def open_rig(
    *,
    desk: Desk | None = None,
    socket: bool = False,
    ack_seconds: float = 3.0,
    post_burst: int | None = None,
    app: App = ALLOWED,
    identity: dict[str, Any] | None = None,
) -> AsyncIterator[Rig]:
    """Everything connected: clicks come over HTTP, or over a socket. `identity`: what auth.test answers."""
    fake, faults, counted = FakeDesk(), Faults(), Counter[str]()
    if identity is not None:
        faults.add(path="/api/auth.test", status=200, body={"ok": True, **identity})
    async with (
        open_workspace(app=app, ack_seconds=ack_seconds, post_burst=post_burst) as workspace,
        serve(faults.wrap(Starlette(routes=[*slack_routes(workspace), *fault_routes(faults)]))) as url,
        open_slack(
            token=app.bot_token,
            signing_secret=app.signing_secret,
            app_token=app.app_token if socket else None,
            api_url=f"{url}/api/",
            desk=desk or fake,
            clock=lambda: datetime.now(UTC),
            count=lambda name: counted.update([name]),
        ) as slack,
        serve(_endpoint(slack)) as front,
    ):
        workspace.request_url = f"{front}/slack/events"
        yield Rig(
            workspace=workspace,
            slack=slack,
            desk=fake,
            faults=faults,
            counted=counted,
            url=url,
            events=workspace.request_url,
        )


def _endpoint(slack: Slack) -> Starlette:
    async def receive(http: Request) -> Response:
        status, headers, body = await slack.receive(http.headers, await http.body())
        return Response(body, status, headers)

    return Starlette(routes=[Route("/slack/events", receive, methods=["POST"])])


async def until(true: Callable[[], object]) -> None:
    """Wait for something that happens after the ack; at most five seconds."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


async def connected(rig: Rig, *, socket: bool) -> None:
    """With a socket, clicks wait for it to stand."""
    if socket:
        await until(lambda: rig.workspace.sockets.connected)


async def press(rig: Rig, button: str, *, user: str = "U0ANN", ref: str | None = None) -> Any:
    """One person presses one button of a card that is up."""
    ts = ref or await rig.card_up()
    return await rig.workspace.click(user=user, channel=CHANNEL, ts=ts, action_id=f"nod_{button}")
