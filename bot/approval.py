"""One approval's life, drawn once and enforced.

      admit         decide          deliver          close
     ------> OPEN --------> DECIDED ---------> SETTLED -------> CLOSED
               | ^             |                  ^
               | +--- voided --+                  |
               +--- expired, or answered elsewhere+
               ^                                  |
               +--- listed again -----------------+

A decision is voided when the call changes before delivery: the approvers are asked again.

`Stage` is how far an approval is, `Outcome` is how it ended. A card is a view of this record, never
the record: each visible change raises `revision`, and each placement remembers the revision it shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.ladder import Ahead, Deadline
from bot.protocol import HITLDecision, HITLRequest, HITLResponse
from bot.surface import Surface

#: The longest note that reaches an agent, in characters.
LONGEST_NOTE = 1_000


class Stage(StrEnum):
    """How far an approval is. The name says what is true; the comment says what is left to do."""

    OPEN = "open"  #: the platform waits; left: cards, escalation steps, a person's answer
    DECIDED = "decided"  #: someone answered, and it is saved; left: delivery to the platform
    SETTLED = "settled"  #: the platform has the answer, or the request ended; left: final cards
    CLOSED = "closed"  #: nothing is left to do


class Outcome(StrEnum):
    """How an approval ended."""

    APPROVED = "approved"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    TIMEOUT_SKIP = "timeout_skip"  #: nobody answered; never shown or recorded as a rejection
    ELSEWHERE = "elsewhere"  #: answered on the platform, or no longer pending there
    UNDELIVERABLE = "undeliverable"  #: a person answered, but the answer did not reach the platform in time


#: The platform's words for a request that nobody answered, in its audit and in its stream.
TIMEOUTS = frozenset({"timeout", "timeout_skip"})

#: The transitions of the drawing above. The store's compare-and-set refuses all others.
STEPS: frozenset[tuple[Stage, Stage]] = frozenset(
    {
        (Stage.OPEN, Stage.DECIDED),
        (Stage.OPEN, Stage.SETTLED),
        (Stage.DECIDED, Stage.OPEN),
        (Stage.DECIDED, Stage.SETTLED),
        (Stage.SETTLED, Stage.CLOSED),
        # Nobody answered, the request vanished, and the platform lists it again: it is still pending.
        (Stage.SETTLED, Stage.OPEN),
        (Stage.CLOSED, Stage.OPEN),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The person who clicked, as the chat confirms it, with the name and address from the policy."""

    surface: Surface
    account: str  #: the chat's immutable user id
    name: str
    email: str | None = None

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.email else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One person's answer on one call. A person has one vote, whichever chat they use."""

    person: str  #: their handle in the policy
    verdict: HITLDecision
    actor: Actor
    at: datetime
    card_id: str
    digest: str  #: of the call that was shown; the vote is valid for this call only
    note: str | None = None
    acting_for: str | None = None  #: the handle of the person they stand in for, if it was delegated
    seen_whole: bool = False  #: all of the call was shown before the answer; kept for the audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """ "I'm on it": one person looks at the request, and the others are not pinged until the lease ends."""

    person: str  #: their handle in the policy
    name: str
    at: datetime
    until: datetime


def distinct_people(votes: Iterable[Vote]) -> int:
    """How many different people certainly gave these votes: the number that is compared with the quorum.

    Two votes are tied if they share an account, an e-mail address or a handle, either the voter's own or that
    of the person they act for: they may come from one person, or use one mandate twice. Ties add up: two votes
    that are tied to the same third vote form one group with it, since both may be other names of its voter. So
    the number can be too low, which costs one more vote. As long as each person's own votes are tied, it is
    never higher than the number of people.
    """
    groups: list[set[object]] = []
    for vote in votes:
        account = vote.actor.surface, vote.actor.account
        tied: set[object] = {account, vote.person, vote.acting_for or vote.person}
        if vote.actor.email:
            tied.add(("address", vote.actor.email.casefold()))
        apart = [group for group in groups if group.isdisjoint(tied)]
        groups = [*apart, tied.union(*(group for group in groups if not group.isdisjoint(tied)))]
    return len(groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer: the vote that completed it, and the people who voted the same before."""

    verdict: HITLDecision
    actor: Actor
    at: datetime
    card_id: str
    note: str | None = None
    others: tuple[str, ...] = ()  #: people who voted the same before, by name and address

    @property
    def response(self) -> HITLResponse:
        """What is sent to the platform. It has no field for who decided, so the names are part of the note.

        The note has a maximum length and is quoted so that it cannot end its own quotation: the agent reads it
        as a person's words, never as an instruction from the platform.
        """
        who = ", ".join([*self.others, str(self.actor)])
        said = f"{self.verdict.value} by {who} in {self.actor.surface.title()}."
        if not self.note:
            return HITLResponse(decision=self.verdict, operator_input=said)
        quoted = json.dumps(self.note[:LONGEST_NOTE], ensure_ascii=False)
        return HITLResponse(decision=self.verdict, operator_input=f"{said} Note from the approver: {quoted}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Our record of one request, from first sight to the last card."""

    request: HITLRequest
    route: str  #: the name of the route that matched when the request was first seen
    rule: str | None = None  #: the automatic rule that answers instead of people
    votes: tuple[Vote, ...] = ()  #: on the current call, earliest first
    claims: tuple[Claim, ...] = ()  #: who said "I'm on it", earliest first; each person once
    widened: tuple[str, ...] = ()  #: people and groups that an escalation step added to the route's approvers
    stage: Stage
    first_seen: datetime
    deadline: Deadline
    revision: int = 1
    decision: Decision | None = None
    outcome: Outcome | None = None
    settled_at: datetime | None = None
    #: How it ended by the platform's own word: a decision code, `timeout`, or None when it does not say.
    platform_word: str | None = None
    #: Why delivery to the platform fails so far, in words for the approver; None while all is well.
    trouble: str | None = None
    escalated_at: datetime | None = None  #: when an escalation step last fired for the current call
    ahead: Ahead | None = None  #: the next step that has not fired, while it waits for people
    pinged: tuple[str, ...] = ()  #: people that steps had named, by handle or group, once it expired
    #: When the latest poll that listed exactly this call (same digest) began.
    confirmed_at: datetime | None = None
    #: How many good polls in a row did not list it.
    missed: int = 0
    attempts: int = 0  #: decision POSTs begun; the count goes up before each is sent
    next_try: datetime | None = None  #: no POST before this
    #: When the platform last answered "resolved" (404, 409); a good poll that begins later checks it.
    gone_at: datetime | None = None
    gones: int = 0  #: how many POSTs got that answer
    #: Which parts of its record someone other than Nod wrote or restored: then no answer to it is valid.
    forged: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse impossible pairs.

        Raises:
            ValueError: decided without a decision, or settled without an outcome (and the reverse).
        """
        over = self.stage in (Stage.SETTLED, Stage.CLOSED)
        if over != (self.outcome is not None):
            raise ValueError(f"{self.stage} does not go with outcome {self.outcome}")
        if self.stage is Stage.OPEN and self.decision is not None:
            raise ValueError("an open approval has no decision")
        if self.stage is Stage.DECIDED and self.decision is None:
            raise ValueError("a decided approval needs its decision")

    @property
    def id(self) -> str:
        """Made of the source and its request id, so that one request can never have two decisions."""
        return self.request.key

    @property
    def did_not_run(self) -> bool:
        """Nobody answered, and the platform's audit says that the request timed out."""
        return self.outcome is Outcome.TIMEOUT_SKIP and self.platform_word in TIMEOUTS

    @property
    def may_be_told(self) -> bool:
        """Whether a POST was begun that the platform did not call too late: it may have been accepted."""
        return self.attempts > self.gones

    def claim_at(self, now: datetime) -> Claim | None:
        """The claim whose lease is running; None when nobody has claimed it."""
        return next((claim for claim in self.claims if claim.at <= now < claim.until), None)


def outcome_by(decision: Decision) -> Outcome:
    """The outcome of a decision that the platform accepted."""
    return Outcome(decision.verdict.value)


def outcome_once_resolved(approval: Approval, word: str | None, *, tried_before: bool) -> Outcome:
    """How a request ended that the platform calls resolved (404, 409, or no longer listed).

    The answer is ours only if a POST was begun before and the platform's audit names our verdict: then only the
    reply was lost. If the platform let the request time out, our decision came too late. If its audit does not
    say, the request was answered elsewhere.
    """
    decision = approval.decision
    if decision is not None and tried_before and not approval.forged and word == decision.verdict.value:
        return outcome_by(decision)
    if word in TIMEOUTS:
        return Outcome.TIMEOUT_SKIP if decision is None else Outcome.UNDELIVERABLE
    return Outcome.ELSEWHERE
