"""Every kind of alert: its cause, its text, and its text when it is resolved. Pure.

Each kind is one row of `KINDS`. The code that raises an alert gives only the facts; all of its sentences are
here. Causes are stable: database rows, the pagers' keys and `docs/alerts.md` use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from bot.approval import Approval, Outcome
from bot.ladder import Action
from bot.protocol import GLAIP
from bot.records import Alert
from bot.wording import called_platform, quoted_name, too_few

UNDELIVERED, UNDELIVERABLE = "undelivered", "undeliverable"
NO_CARD, CARD_REFUSED, CHANNEL_LATE = "no-card", "card-refused", "channel-late"
SURFACE_DEAD, CHANNEL_DEAD = "surface-dead", "channel-dead"
UNSEEN, UNESCALATED, UNTOLD = "expired-unseen", "expired-unescalated", "untold"
RUNG, MISSED, LEFT_OUT = "rung", "rung-missed", "left-out"
NOBODY, UNDECIDABLE = "route-without-approver", "nobody-can-approve"
TAMPERED, CHANGING, FLOOD = "tampered", "keeps-changing", "flood"
BLIND, UNREADABLE, SKEWED = "platform-unreadable", "unreadable", "clock-skew"
STORE_DOWN, STUCK, LATE_TICK, SCHEDULER_DEAD = "store-down", "step-stuck", "scheduler-late", "scheduler-dead"
POLICY_REFUSED, TAIL_MISSING, SHARED = "policy", "audit-tail-missing", "socket-shared"

#: The subject of alerts that do not concern one request, channel or chat.
PLATFORM, STORE, REQUESTS = "platform", "store", "requests"


@dataclass(frozen=True, slots=True)
class Subject:
    """A source, as the subject of its alerts."""

    id: str = PLATFORM
    name: str = ""  #: where there are several

    @property
    def facts(self) -> Mapping[str, object]:
        """What it is called in the sentences below."""
        called = called_platform(self.name)
        to = f" for {self.name}" if self.name else ""
        return {"platform": called, "Platform": f"T{called[1:]}", "to": to}


ONLY = Subject()  #: the only one there is


def subject_of(source: str, *, named: bool) -> Subject:
    """With its name if that is to be said."""
    return Subject(PLATFORM if source == GLAIP else f"{PLATFORM}:{source}", source if named else "")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of alert; its sentences name facts in braces."""

    cause: str
    over: str | None  #: the text when resolved; None: nothing resolves it, or the caller words it
    texts: Mapping[str, str]  #: by variant
    found: bool  #: each look of the self-check finds it while it lasts, and resolves it when it does not


def _kind(cause: str, over: str | None, *, found: bool = False, **texts: str) -> Kind:
    return Kind(cause, over, MappingProxyType(texts), found)


#: The variant of a sentence that has only one, and the variant about several.
ONE, SEVERAL = "one", "several"

_KINDS = (
    _kind(
        UNDELIVERED,
        "decisions are delivered in time again",
        one="Not delivered yet: the decision on {tool}, {left} left. {Platform} has not accepted it ({why}). "
        "Nod keeps trying.",
        several="{count} decisions{to} are not delivered yet ({why}). Nod keeps trying. "
        "The earliest deadline is in {left}.",
    ),
    _kind(
        UNDELIVERABLE,
        "{platform} accepts decisions again",
        one="Not delivered: the decision on {tool}. Its deadline passed before {platform} accepted it ({why}).",
        several="{count} decisions{to} were not delivered before their deadlines ({why}). "
        "The latest was on {tool}.",
    ),
    _kind(
        NO_CARD,
        "every pending request has a card",
        one="{tool} has no card in {where} ({why}). Nobody can see it.",
        several="{count} requests have no card in {where} ({why}). Nobody can see them.",
        late="{tool} has no card yet, {left} left. Nobody can see it.",
        late_several="{count} requests still have no card in {where} after a quarter of their time. "
        "Nobody can see them.",
    ),
    _kind(
        CARD_REFUSED,
        "every request has its card in {where}",
        one="{tool} has no card in {where} ({why}). People can see it elsewhere.",
        several="{count} requests have no card in {where} ({why}). People can see them elsewhere.",
    ),
    _kind(
        CHANNEL_LATE,
        "every request has its card in {where}, or has ended",
        found=True,
        one="{where} is slow: 1 request still has no card after a quarter of its time.",
        several="{where} is slow: {count} requests still have no card after a quarter of their time.",
    ),
    _kind(
        SURFACE_DEAD,
        "the chat works again",
        found=True,
        one="{chat} refuses Nod: {why}",
        away="{chat} cannot be reached ({why}).",
    ),
    _kind(CHANNEL_DEAD, "Nod can post in {where} again", found=True, one="Nod cannot post in {where}: {why}"),
    _kind(
        UNSEEN,
        "no request has expired without a card for {quiet}",
        one="{tool} expired without a card anywhere.",
        several="{count} requests expired without a card anywhere. The latest was for {tool}.",
    ),
    _kind(
        UNESCALATED,
        "no request has expired before an escalation step for {quiet}",
        one="{tool} expired, and its escalation step ({action}, due at {due}) did not run.",
        several="{count} requests expired before an escalation step that was due. The latest was for {tool}.",
    ),
    _kind(
        UNTOLD,
        "no request has expired with an unsent ping for {quiet}",
        one="{tool} expired before Nod could send a ping about it.",
        several="{count} requests expired with a ping that could not be sent. The latest was for {tool}.",
    ),
    _kind(
        RUNG,
        None,
        one="No answer yet: {waiting}, {left} left.{who}",
        votes="Not enough answers yet: {waiting}, {left} left.{who}",
    ),
    _kind(
        MISSED,
        "the step ran, or the request has ended",
        found=True,
        one="{tool}: escalation step {number} was due and did not run.",
    ),
    _kind(
        NOBODY,
        "enough people can decide requests of {name}, or none is pending",
        found=True,
        gone="Route {route} was removed from nod.yaml while {requests} pending, so nobody can decide.",
        source="The source {source} was removed from nod.yaml while {requests} pending, "
        "so nobody can decide and Nod delivers nothing there.",
        outsiders="Route {route} has only guests and external users as approvers, "
        "so nobody can decide its requests.",
        unfound="Route {route} has no approver who can be found, so nobody can decide its requests.",
        few="Route {route} needs {quorum} approvals, but only {people} can decide its requests.",
    ),
    _kind(
        UNDECIDABLE,
        "enough people can decide {tool}",
        one="{tool}: nobody can approve it, because {why}. It needs {needs}, and {left} can decide it.",
    ),
    _kind(
        TAMPERED,
        None,
        one="{tool}: something other than Nod changed its record in the database. Nod asks people again.",
    ),
    _kind(
        CHANGING,
        None,
        one="{tool}: the call changed {times} times under the same id. It gets no more cards, and nobody can "
        "decide it in Nod.",
    ),
    _kind(
        FLOOD,
        "the agent has at most {flood} open requests again",
        one="The agent {agent} has {count} open requests, more than {flood}. New ones get no card of their "
        "own: they go to the queue message of their channel.",
    ),
    _kind(
        BLIND,
        "{platform} can be read again",
        one="Nod cannot read {platform}'s pending requests ({why}). Nod asks nobody about new ones.",
    ),
    _kind(
        UNREADABLE,
        "every pending request can be read",
        one="1 item of {platform}'s pending list cannot be read ({why}). Nod asks nobody about it.",
        several="{count} items of {platform}'s pending list cannot be read ({why}). "
        "Nod asks nobody about them.",
    ),
    _kind(SKEWED, "the clocks agree again", one="Nod's clock is {seconds} s {side} {platform}'s."),
    _kind(
        STORE_DOWN,
        "the database works again",
        one="The database cannot be used ({why}). Nod accepts no clicks and posts no new requests.",
    ),
    _kind(
        LEFT_OUT,
        "everything that is due is in the queue",
        found=True,
        one="{count} due {kind} were missing from the queue and would never have been handled. "
        "Nod queued them again.",
    ),
    _kind(STUCK, "the step works again", found=True, one="The step {step} has been stuck for {seconds} s."),
    _kind(LATE_TICK, "the scheduler runs again", found=True, one="{late}; Nod will exit soon."),
    _kind(
        SCHEDULER_DEAD,
        "Nod has restarted and works",
        one="The scheduler stopped for {seconds} s, so Nod exited with code {code}.",
    ),
    _kind(
        POLICY_REFUSED,
        "the file is valid again",
        one="The changed nod.yaml has a mistake, so the last valid one stays in force. {mistake}",
    ),
    _kind(
        TAIL_MISSING,
        "every signed row is in the audit log again",
        one="Row {row} of the audit log was signed at {signed}, but is now missing or changed. The last row is "
        "{found}. The database was rolled back, replaced or tampered with. New rows are not signed.",
    ),
    _kind(
        SHARED,
        "no other process has a socket with SLACK_APP_TOKEN",
        one="Slack reports {sockets} with SLACK_APP_TOKEN that this bot did not open. Another process uses the "
        "token and gets some of the clicks, which this bot never sees. Stop it, or give it its own app.",
    ),
)
KINDS: Mapping[str, Kind] = MappingProxyType({kind.cause: kind for kind in _KINDS})


def alert_text(cause: str, variant: str = ONE, **facts: object) -> str:
    """The text of the alert, in one line."""
    return KINDS[cause].texts[variant].format(**facts)


def alert_of(
    cause: str,
    about: str,
    facts: Mapping[str, object],
    *,
    at: datetime,
    variant: str = ONE,
    part: str | None = None,
) -> Alert:
    """An alert of this kind, with the facts that its sentence names.

    `part` is appended to the cause where there are several of a kind, such as the steps of a ladder.
    """
    text = alert_text(cause, variant, **facts)
    return Alert(approval_id=about, cause=f"{cause}-{part}" if part else cause, text=text, raised_at=at)


def over(cause: str, **facts: object) -> str:
    """The text when it is resolved. Raises ValueError for a kind that nothing resolves."""
    said = KINDS[cause].over
    if said is None:
        raise ValueError(f"nothing resolves {cause}")
    return said.format(**facts)


#: What escalation steps raise.
_OF_STEPS = frozenset(action.kind.pages for action in Action if action.kind.pages)


def step_of(cause: str) -> int | None:
    """The number of the escalation step that raised it, from 0; None for any other cause."""
    kind, _, number = cause.rpartition("-")
    return int(number) if kind in _OF_STEPS and number.isdecimal() else None


def ending(approval: Approval) -> str:
    """How the request ended, for people who were paged because nobody answered."""
    tool = quoted_name(approval.request.tool_name)
    match approval.outcome:
        case Outcome.TIMEOUT_SKIP:
            return f"{tool} expired; {too_few(approval).lower()} answered"
        case Outcome.ELSEWHERE:
            word = approval.platform_word
            return f"{tool} was answered on the platform: {word}" if word else f"{tool} is no longer pending"
        case Outcome.UNDELIVERABLE:
            return f"{tool} was decided, but the platform did not accept the decision in time"
        case _:
            return f"{tool} was {approval.outcome}"
