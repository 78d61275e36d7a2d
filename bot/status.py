"""What a card says below its title and below the call: what is needed, or how it ended. Pure.

An open card has room for `WORDS`. What does not fit is left out, least important first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

from bot.approval import TIMEOUTS, Approval, distinct_people
from bot.ladder import DeadlineSource, time_left
from bot.policy import Policy, approvers_of, requesters_named
from bot.protocol import HITLDecision
from bot.surface import Surface
from bot.wording import (
    CardState,
    Moment,
    Saying,
    Shown,
    agent_named,
    asker_named,
    beaten_by,
    called,
    first_names,
    listed,
    moment_of,
    moment_parts,
    quoted_name,
    title_of,
    unanswered,
)

#: Words of an open card from its title to its last line, beside the call, the buttons and the operator's `why`.
WORDS = 32
#: Words of a moment in the chat that needs the most: Teams writes `Mon, Nov 30, 2026 12:29 AM`, and the second
#: after it.
_MOMENT = {Shown.SECOND: 3, Shown.MINUTE: 2, Shown.DATE: 6}
#: A step that comes this soon is shown to the second.
SECOND_BEFORE_A_STEP = timedelta(minutes=1)
_WORD = re.compile(r"\S*\w\S*")

_DID = {
    HITLDecision.APPROVED: "approved",
    HITLDecision.REJECTED: "rejected",
    HITLDecision.SKIPPED: "skipped",
}
_MARKS = {HITLDecision.APPROVED: "✓", HITLDecision.REJECTED: "✗", HITLDecision.SKIPPED: "⏭"}


def words_in(saying: Saying) -> int:
    """How many words a sentence has: a word has a letter or a digit."""
    return sum(
        len(_WORD.findall(part)) if isinstance(part, str) else _MOMENT[moment_parts(part).shown]
        for part in saying
    )


def lead_of(approval: Approval, state: CardState, *, policy: Policy, now: datetime) -> Saying:
    """Which agent asks, which person it asks for, and until when."""
    agent = asker_named(policy, approval.request)
    route = policy.route_named(approval.route)
    handles = requesters_named(policy, route, approval.request) if route else frozenset()
    people = tuple(policy.people[handle] for handle in handles if handle in policy.people)
    who = f"{agent} for {first_names(policy, people)[0]}" if len(people) == 1 else agent
    if state is not CardState.OPEN:
        return (who,)
    if approval.deadline.unknown:
        return (f"{who} · deadline unknown",)
    return (f"{who} · decide by ", moment_of(approval.deadline.at, now=now))


def status_of(
    approval: Approval, state: CardState, *, policy: Policy, now: datetime, spent: int = 0
) -> tuple[Saying, ...]:
    """What is needed, or how it ended; the rest of an open card has already used `spent` words."""
    match state:
        case CardState.OPEN:
            return _open(approval, policy=policy, now=now, spent=spent)
        case CardState.CHANGED:
            return (("This request changed, see below.",),)
        case CardState.AUTOMATIC:
            return ((f"Rule {approval.rule} answers this automatically.",),)
        case CardState.SENDING:
            return ((f"{_DID[_verdict(approval)].capitalize()} by {_deciders(approval)}. Sending…",),)
        case CardState.RETRYING:
            until = moment_of(approval.deadline.at, now=now)
            why = f"; the platform has not accepted it yet ({approval.trouble}). Nod retries until "
            return ((*_did(approval, now=now), why, until), *_note(approval))
        case CardState.APPROVED | CardState.REJECTED | CardState.SKIPPED:
            return (_by(approval, now=now), *_note(approval))
        case CardState.EXPIRED:
            return (unanswered(approval, policy=policy, now=now), *_votes(approval, now=now))
        case CardState.ELSEWHERE:
            word = approval.platform_word
            said = f"Answered on the platform: {word}." if word else "No longer pending on the platform."
            ours = (*_did(approval, now=now), f", but {beaten_by(word)}.") if approval.decision else ()
            return tuple(saying for saying in (ours, (said,)) if saying) + _note(approval)
        case CardState.UNDELIVERABLE:
            cause = approval.trouble or "the deadline passed first"
            got = "may not have accepted it" if approval.attempts else "did not accept it"
            ran = f" {quoted_name(approval.request.tool_name)} did not run." if _timed_out(approval) else ""
            return ((*_did(approval, now=now), f"; the platform {got}: {cause}.{ran}"), *_note(approval))
        case _:
            assert_never(state)


def _open(approval: Approval, *, policy: Policy, now: datetime, spent: int) -> tuple[Saying, ...]:
    """The sentences of an open card in their order, each with its rank.

    The ones with the highest rank are left out if they do not fit.
    """
    claim = approval.claim_at(now)
    ranked: list[tuple[int, Saying]] = [
        (0, (f"If nobody decides, {quoted_name(approval.request.tool_name)} will not run.",)),
        (1, _approvals(approval, policy=policy)),
        (3, _source(approval)),
        (4, (_who_can(approval, policy=policy),)),
    ]
    if claim:
        until, person = moment_of(claim.until, now=now), policy.people.get(claim.person)
        name = first_names(policy, (person,))[0] if person else claim.name
        ranked += [(2, (f"{name} has this until ", until, "."))]
        ranked += [(8, ("Others are not pinged before then.",))]
    if approval.escalated_at:
        ranked += [(5, ("Escalated at ", _to_the_minute(approval.escalated_at, now=now), "."))]
    if not claim:
        ranked += [(6, _next_step(approval, policy=policy, now=now))]
    ranked += [(7, _left(approval, now=now))]
    lead = lead_of(approval, CardState.OPEN, policy=policy, now=now)
    title = title_of(approval, CardState.OPEN)
    room = WORDS - spent - words_in((title,)) - words_in(lead)
    return _fitting(ranked, room=room + _own_words(approval, policy=policy))


def _own_words(approval: Approval, *, policy: Policy) -> int:
    """Extra words in names that an agent wrote, beyond one each: they must not take the room of ours.

    The tool's name is in the title and in the first sentence.
    """
    tool, agent = approval.request.tool_name, approval.request.agent_id
    tools = 2 * (words_in((quoted_name(tool),)) - 1)
    agents = 0 if agent in policy.agents else words_in((agent_named(policy, agent),)) - 1
    return max(0, tools) + max(0, agents)


def _fitting(ranked: Sequence[tuple[int, Saying]], *, room: int) -> tuple[Saying, ...]:
    kept: dict[int, Saying] = {}
    for rank, saying in sorted(ranked, key=lambda one: one[0]):
        for said in (saying, _coarser(saying)):
            if said and rank not in kept and (words_in(said) <= room or rank == 0):
                kept[rank] = said
                room -= words_in(said)
    return tuple(kept[rank] for rank, _ in ranked if rank in kept)


def _coarser(saying: Saying) -> Saying:
    """The same with moments to the minute, for a sentence that has no room for seconds."""
    return tuple(
        Moment(part.at, Shown.MINUTE) if isinstance(part, Moment) and part.shown is Shown.SECOND else part
        for part in saying
    )


def _approvals(approval: Approval, *, policy: Policy) -> Saying:
    """How many approvals of how many, and whose; nothing if one is enough and nobody has voted."""
    route = policy.route_named(approval.route)
    quorum = route.quorum if route else 1
    if quorum == 1 and not approval.votes:
        return ()
    given = distinct_people(vote for vote in approval.votes if vote.verdict is HITLDecision.APPROVED)
    voters = []
    for vote in approval.votes:
        person = policy.people.get(vote.person)
        name = first_names(policy, (person,))[0] if person else vote.actor.name
        voters.append(f"{name} {_MARKS[vote.verdict]}")
    count = f"{given} of {quorum} approvals"
    return (f"{count}: {listed(voters, 'and')}." if voters else f"{count}.",)


def _source(approval: Approval) -> Saying:
    """Where the deadline comes from, unless it is the platform's own."""
    if approval.deadline.unknown:
        return ("The platform is still waiting.",)
    match approval.deadline.source:
        case DeadlineSource.TIMEOUT_AT:
            return ()
        case DeadlineSource.TIMEOUT_SECONDS:
            return ("The deadline is Nod's estimate.",)
        case DeadlineSource.DEFAULT:
            return ("The platform gave no usable deadline.",)
        case _:
            assert_never(approval.deadline.source)


def _who_can(approval: Approval, *, policy: Policy) -> str:
    """Who can still decide, by name."""
    route = policy.route_named(approval.route)
    if route is None:
        return "Nobody can decide: this route was removed from nod.yaml."
    names = approvers_of(route, approval)
    if not policy.members(names):
        return "Nobody can decide: Nod finds no approver of this route."
    voted = {vote.person for vote in approval.votes if vote.verdict is HITLDecision.APPROVED}
    rest = tuple(handle for handle in policy.handles(names) if handle not in voted) if voted else names
    people = called(policy, rest, approval) or called(policy, names, approval)
    if not people:
        return "Nobody can decide: the only approver asked for this."
    return f"{_capital(listed(people, 'or'))} can decide."


def _next_step(approval: Approval, *, policy: Policy, now: datetime) -> Saying:
    """What happens next if nobody answers, from the record and not from the file, which may have changed.

    A step that is due already is left out: it fires in a moment, and the card is updated.
    """
    ahead = approval.ahead
    if ahead is None or ahead.at <= now or not ahead.action.kind.says:
        return ()
    people = called(policy, ahead.who, approval)
    if ahead.who and not people:
        return ()
    are = "is" if len(people) == 1 else "are"
    says = ahead.action.kind.says.replace("{are}", are).replace("{who}", listed(people, "and"))
    soon = ahead.at - now < SECOND_BEFORE_A_STEP
    return (_capital(says), (moment_of if soon else _to_the_minute)(ahead.at, now=now), ".")


def _to_the_minute(at: datetime, *, now: datetime) -> Moment:
    """A moment beside the deadline; only the deadline is shown to the second."""
    moment = moment_of(at, now=now)
    return moment if moment.shown is Shown.DATE else Moment(at, Shown.MINUTE)


def _left(approval: Approval, *, now: datetime) -> Saying:
    """The most that is left, as of the last redraw: an upper bound stays true on a card."""
    left = time_left(now, first_seen=approval.first_seen, deadline=approval.deadline.at)
    return () if left is None or approval.deadline.renewed else (f"Under {_length(left)} left.",)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _length(left: timedelta) -> str:
    seconds = -(-left // timedelta(seconds=1))
    if seconds < 120:
        return f"{seconds} s"
    return f"{-(-seconds // 60)} min" if seconds < 7_200 else f"{-(-seconds // 3_600)} h"


def _votes(approval: Approval, *, now: datetime) -> tuple[Saying, ...]:
    """Who has voted, and how."""
    said: list[Saying] = []
    for vote in approval.votes:
        place = f" for {vote.acting_for}" if vote.acting_for else ""
        note = f": {vote.note}" if vote.note else ""
        said.append((f"{vote.actor.name}{place} {_DID[vote.verdict]} at ", moment_of(vote.at, now=now), note))
    return tuple(said)


def _verdict(approval: Approval) -> HITLDecision:
    return approval.decision.verdict if approval.decision else HITLDecision.APPROVED


def _deciders(approval: Approval) -> str:
    """Who gave the deciding votes, or which rule answered."""
    decision = approval.decision
    if decision is None:
        return "nobody"
    if decision.actor.surface == Surface.POLICY:
        return f"rule {decision.actor.account}"
    names = {str(vote.actor): vote.actor.name for vote in approval.votes}
    others = [names.get(other, other) for other in decision.others]
    return listed([*others, decision.actor.name], "and", most=20)


def _by(approval: Approval, *, now: datetime) -> Saying:
    decision = approval.decision
    return (f"by {_deciders(approval)}, ", moment_of(decision.at, now=now)) if decision else ()


def _did(approval: Approval, *, now: datetime) -> Saying:
    decision = approval.decision
    if decision is None:
        return ()
    did = f"{_capital(_deciders(approval))} {_DID[decision.verdict]} at "
    return (did, moment_of(decision.at, now=now))


def _note(approval: Approval) -> tuple[Saying, ...]:
    note = approval.decision.note if approval.decision else None
    return ((f"Note: {note}",),) if note else ()


def _timed_out(approval: Approval) -> bool:
    return approval.platform_word in TIMEOUTS
