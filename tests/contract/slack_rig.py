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
from bot.call import lines_of, text_of
from bot.card import Button, Card
from bot.desk import (
    Acknowledged,
    Click,
    Desk,
    Explanation,
    FormData,
    NextRequest,
    NotCounted,
    Preview,
    ReasonForm,
    Reply,
    Voted,
    WholeCall,
)
from bot.errors import Refusal
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
from tests.fakes import Counting
from tests.render.cards import (
    CARD_ID,
    SEAL,
    approval,
    claim,
    explanation,
    not_counted,
    request,
    shown,
    vote,
)
from tests.render.slack_parts import reach

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
    refusal: NotCounted | None = None
    trouble: Exception | None = None
    card_id: str = CARD_ID
    opens: bool = False  #: look at the seals, as the real desk does
    taken: list[Click] = field(default_factory=list)
    seen: list[Click] = field(default_factory=list)  #: every click that came, taken or not
    explained: Explanation = field(
        default_factory=lambda: explanation("Route: default", "You can decide this.")
    )
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

    async def press(self, click: Click) -> Reply:
        """What the test set, by the rules of the real desk: a reason is asked for where the rule wants one."""
        form = self.form(click)
        if click.verb is Button.NEXT:
            self.behind.append(click.after)
        refused = self._looked(click)
        if click.form and self.rule is ReasonRule.REQUIRED and not click.note:
            refused = refused or not_counted(Refusal.REASON_REQUIRED, "Say why: this route needs a reason.")
        if refused and click.form and refused.code in (Refusal.REASON_REQUIRED, Refusal.NOTE_TOO_LONG):
            return ReasonForm(card_id=self.card_id, form=form, problem=refused)
        if refused:
            return refused
        match click.verb:
            case Button.WHY:
                return self.explained
            case Button.NEXT:
                return NextRequest(card_id=None, form=form)
            case Button.VIEW_ALL:
                return WholeCall(card_id=self.card_id, form=form)
            case Button.CLAIM:
                self.taken.append(click)
                return Acknowledged(card_id=self.card_id, claim=claim())
        welcome = click.verb is Button.REJECT and self.rule is ReasonRule.OPTIONAL
        if not click.form and (self.rule is ReasonRule.REQUIRED or welcome):
            return ReasonForm(card_id=self.card_id, form=form)
        if self.before_commit:
            await self.before_commit()
        self.taken.append(click)
        return Voted(card_id=self.card_id, vote=vote(VERDICTS[click.verb], note=click.note))

    async def preview(self, click: Click) -> Preview | NotCounted:
        """The card, with its form for people who can decide by `explained`."""
        refused = self._looked(click)
        return refused or Preview(
            card_id=self.card_id, form=self.form(click) if self.explained.may_decide else None
        )

    def form(self, click: Click) -> FormData:
        """The card, its call and the rule that the test set."""
        return FormData(
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

    def _looked(self, click: Click) -> NotCounted | None:
        self.seen.append(click)
        if self.trouble:
            raise self.trouble
        sealed = SEAL.open(click.value)
        if self.opens and (sealed is None or sealed.verb != click.verb.value):
            return not_counted(Refusal.FORGED, "This button was not made by Nod. Nothing was decided.")
        if self.refusal is None:
            return None
        return replace(self.refusal, card_id=sealed.card_id if sealed else None)


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
            metrics=Counting(lambda name: counted.update([name])),
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
    """With a socket, clicks wait until it is connected."""
    if socket:
        await until(lambda: rig.workspace.sockets.connected)


async def press(rig: Rig, button: str, *, user: str = "U0ANN", ref: str | None = None) -> Any:
    """One person presses one button of a card that is up."""
    ts = ref or await rig.card_up()
    blocks = next(message.blocks for message in rig.workspace.messages(CHANNEL) if message.ts == ts)
    return await rig.workspace.click(user=user, channel=CHANNEL, ts=ts, **reach(blocks, button))
