"""What a card says about an approval, sentence by sentence. Pure."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import assert_never

from bot.approval import Approval, Outcome, Stage, distinct_people
from bot.call import LONGEST_NAME, Line, on_one_line, size_of
from bot.ladder import Action, DeadlineSource, time_left
from bot.policy import Policy, approvers_named, approvers_of, named_for
from bot.protocol import HITLDecision
from bot.surface import Surface

#: Plain text and moments, in order. A chat shows each moment in its reader's own time zone.
Saying = tuple[str | datetime, ...]

#: What may follow a moment in a sentence, and stands alone where the moment is set apart.
_STOPS = (".", ",", ":")


class CardState(StrEnum):
    """What a card shows; one look per state, on every surface."""

    OPEN = "open"
    CHANGED = "changed"  #: the call changed under this card; a new card stands below
    AUTOMATIC = "automatic"  #: a rule is about to answer
    SENDING = "sending"
    APPROVED = "approved"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    ELSEWHERE = "elsewhere"
    RETRYING = "retrying"
    UNDELIVERABLE = "undeliverable"


_ENDED = {
    Outcome.APPROVED: CardState.APPROVED,
    Outcome.REJECTED: CardState.REJECTED,
    Outcome.SKIPPED: CardState.SKIPPED,
    Outcome.TIMEOUT_SKIP: CardState.EXPIRED,
    Outcome.ELSEWHERE: CardState.ELSEWHERE,
    Outcome.UNDELIVERABLE: CardState.UNDELIVERABLE,
}

_TITLES = {
    CardState.OPEN: "Approve {tool}?",
    CardState.CHANGED: "Changed: {tool}",
    CardState.AUTOMATIC: "Answered by a rule: {tool}",
    CardState.SENDING: "Decided: {tool}",
    CardState.RETRYING: "Not delivered yet: {tool}",
    CardState.APPROVED: "Approved: {tool}",
    CardState.REJECTED: "Rejected: {tool}",
    CardState.SKIPPED: "Skipped: {tool}",
    CardState.EXPIRED: "Expired: {tool}",
    CardState.ELSEWHERE: "Answered elsewhere: {tool}",
    CardState.UNDELIVERABLE: "Not delivered: {tool}",
}

_DID = {
    HITLDecision.APPROVED: "approved",
    HITLDecision.REJECTED: "rejected",
    HITLDecision.SKIPPED: "skipped",
}


def set_apart(saying: Saying) -> Saying:
    """The sentence where each part stands in a place of its own: words side by side are one part, and what
    follows a moment begins with a dot between two, since a stop or a comma would stand there alone.
    """
    parts: list[str | datetime] = []
    for part in saying:
        if isinstance(part, datetime) or not parts:
            parts.append(part)
        elif isinstance(parts[-1], datetime):
            rest = part[1:].strip() if part.startswith(_STOPS) else part
            parts.append(f"· {rest}" if rest and part.startswith(_STOPS) else rest)
        else:
            parts[-1] = f"{parts[-1]}{part}"
    return tuple(part for part in parts if part)


def state_of(approval: Approval, *, superseded: bool = False) -> CardState:
    """Which look the record calls for."""
    if superseded:
        return CardState.CHANGED
    match approval.stage:
        case Stage.OPEN:
            return CardState.AUTOMATIC if approval.rule else CardState.OPEN
        case Stage.DECIDED:
            return CardState.RETRYING if approval.trouble else CardState.SENDING
        case Stage.SETTLED | Stage.CLOSED:
            return _ENDED[approval.outcome] if approval.outcome else CardState.ELSEWHERE
        case _:
            assert_never(approval.stage)


def name_of(text: str) -> str:
    """A tool's or an agent's name on one line, made visible, cut at LONGEST_NAME."""
    line = on_one_line(text) if text else "(no name)"
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"


def title_of(state: CardState, tool: str) -> str:
    """The first line of a card."""
    return _TITLES[state].replace("{tool}", tool)


def notification_of(approval: Approval, state: CardState) -> Saying:
    """The one line that a phone's lock screen and a screen reader get."""
    title = title_of(state, name_of(approval.request.tool_name))
    if state is CardState.OPEN:
        return (f"{title} {name_of(approval.request.agent_id)}, until ", approval.deadline.at)
    decision = approval.decision if state is not CardState.ELSEWHERE else None
    return (f"{title}, by {decision.actor.name}",) if decision else (title,)


def folded_call(lines: tuple[Line, ...]) -> str:
    """The call in one line: its first argument, and how much more there was."""
    first = f"{lines[0].key} {lines[0].value}".strip() if lines else "(no arguments)"
    line = " ".join(first.split())
    short = line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"
    return short if len(lines) < 2 else f"{short}  (+{len(lines) - 1} more, {size_of(lines)})"


def waiting_name(approval: Approval) -> str:
    """One line of a digest: which tool, for which agent."""
    return f"{name_of(approval.request.tool_name)} for {name_of(approval.request.agent_id)}"


def status_of(approval: Approval, state: CardState, *, policy: Policy, now: datetime) -> tuple[Saying, ...]:
    """What is needed, or what became of it."""
    match state:
        case CardState.OPEN:
            return _open(approval, policy=policy, now=now)
        case CardState.CHANGED:
            return (("This request changed, see the card below. No answer to this one counts.",),)
        case CardState.AUTOMATIC:
            return ((f"Rule {approval.rule} answers this; nobody needs to.",),)
        case CardState.SENDING:
            return (*_who(approval), ("Telling the platform…",))
        case CardState.RETRYING:
            reach = f"The platform could not be told yet ({approval.trouble}); retrying until "
            return (*_who(approval), (reach, approval.deadline.at))
        case CardState.APPROVED | CardState.REJECTED | CardState.SKIPPED:
            return _who(approval)
        case CardState.EXPIRED:
            return (unanswered(approval, policy=policy), *_votes(approval))
        case CardState.ELSEWHERE:
            word = approval.platform_word
            told = f"Answered on the platform: {word}." if word else "No longer pending on the platform."
            return (*_who(approval, but=beaten_by(word)), (told,))
        case CardState.UNDELIVERABLE:
            cause = approval.trouble or "the deadline passed first"
            told = "may never have been told" if approval.attempts else "was never told"
            return (*_who(approval), (f"The platform {told}: {cause}. The agent goes on without it.",))
        case _:
            assert_never(state)


def beaten_by(word: str | None) -> str:
    """What came before a decision of ours: what the platform's audit says, or that it waits no longer."""
    return "the platform had its answer already" if word else "the platform no longer waited for it"


def unanswered(approval: Approval, *, policy: Policy) -> Saying:
    """Nobody answered in time, and who was asked. Never the word rejected."""
    return (
        f"{too_few(approval)} answered by ",
        approval.deadline.at,
        f". Asked: {asked(approval, policy=policy)}.",
    )


def too_few(approval: Approval) -> str:
    """Who has answered, where that was not enough."""
    return "Not enough people" if approval.votes else "Nobody"


def asked(approval: Approval, *, policy: Policy) -> str:
    """Who might have answered, and whom the ladder named; who was on call then is not known any more."""
    route = policy.route_named(approval.route)
    may = approvers_of(route, approval) if route else ()
    others = [
        said for name in approval.pinged if name not in may and (said := named_for(policy, (name,), approval))
    ]
    return ", ".join([approvers_named(policy, route, approval), *others])


def ending(approval: Approval) -> str:
    """How it ended, in words for whoever was called because nobody answered."""
    match approval.outcome:
        case Outcome.TIMEOUT_SKIP:
            return f"its time is over; {too_few(approval).lower()} answered"
        case Outcome.ELSEWHERE:
            word = approval.platform_word
            return f"it was answered on the platform: {word}" if word else "the platform waits for it no longer"
        case Outcome.UNDELIVERABLE:
            return "somebody answered, and the platform could not be told in time"
        case _:
            return f"it was answered: {approval.outcome}"


def _open(approval: Approval, *, policy: Policy, now: datetime) -> tuple[Saying, ...]:
    route = policy.route_named(approval.route)
    who = approvers_named(policy, route, approval)
    quorum = route.quorum if route else 1
    given = distinct_people(vote for vote in approval.votes if vote.verdict is HITLDecision.APPROVED)
    needs = f"Needs one of: {who}" if quorum == 1 else f"Needs {quorum} of: {who}"
    missing = f" ({quorum - given} more)" if 0 < given < quorum else ""
    flaw = approval.request.flaw
    lines: list[Saying] = [_until(approval), (needs + missing,), *_votes(approval)]
    left = time_left(now, first_seen=approval.first_seen, deadline=approval.deadline.at)
    if left and not approval.deadline.renewed:
        lines[:1] = [(*lines[0], f". {left}")]
    claim = approval.claim_at(now)
    if claim:
        lines.append((f"{claim.name} is on it until ", claim.until))
    if flaw:
        lines.append((f"It can be rejected or skipped, never approved: {flaw}.",))
    if approval.escalated_at:
        lines.append(("Escalated ", approval.escalated_at))
    if not claim:
        lines.extend(_next_rung(approval, policy=policy, now=now))
    return tuple(lines)


_DOES = {
    Action.REMIND: "a reminder here",
    Action.PING: "a ping to {who}",
    Action.WIDEN: "{who} may decide, too",
    Action.PAGE: "the alert channels are paged",
    Action.FALLBACK: "it is shown elsewhere, too",
}


def _next_rung(approval: Approval, *, policy: Policy, now: datetime) -> list[Saying]:
    """What happens next while nobody answers, by the record and not by the file, which may have changed.

    Of what is due already nothing is said: it fires in a moment, and the card is drawn again.
    """
    ahead = approval.ahead
    if ahead is None or ahead.at <= now or ahead.action not in _DOES:
        return []
    who = named_for(policy, ahead.who, approval)
    if ahead.who and not who:
        return []
    does = _DOES[ahead.action].replace("{who}", who)
    return [(f"Next, if nobody answers: {does}, ", ahead.at)]


def _votes(approval: Approval) -> tuple[Saying, ...]:
    """Who voted what so far."""
    said: list[Saying] = []
    for vote in approval.votes:
        place = f" for {vote.acting_for}" if vote.acting_for else ""
        note = f": {vote.note}" if vote.note else ""
        said.append((f"{vote.actor.name}{place} {_DID[vote.verdict]} ", vote.at, note))
    return tuple(said)


def _who(approval: Approval, *, but: str | None = None) -> tuple[Saying, ...]:
    decision = approval.decision
    if decision is None:
        return ()
    if decision.actor.surface is Surface.POLICY:
        did: Saying = (f"Rule {decision.actor.account} {_DID[decision.verdict]} this ", decision.at)
    else:
        names = {str(vote.actor): vote.actor.name for vote in approval.votes}
        others = [names.get(other, other) for other in decision.others]
        did = (f"{', '.join([*others, decision.actor.name])} {_DID[decision.verdict]} this ", decision.at)
    did = (*did, f", but {but}") if but else did
    return (did, (f"Note: {decision.note}",)) if decision.note else (did,)


def _until(approval: Approval) -> Saying:
    if approval.deadline.unknown:
        return ("No deadline is known: the platform names none, and still waits.",)
    then = "then the agent goes on without it"
    match approval.deadline.source:
        case DeadlineSource.TIMEOUT_AT:
            why = then
        case DeadlineSource.TIMEOUT_SECONDS:
            why = f"{then}; counted from when it was first seen"
        case DeadlineSource.DEFAULT:
            why = f"{then}; our default, the platform named no usable deadline"
        case _:
            assert_never(approval.deadline.source)
    return ("Until ", approval.deadline.at, f" ({why})")
