"""One approval's life, drawn once and enforced.

      admit         decide          deliver          close
     ------> OPEN --------> DECIDED ---------> SETTLED -------> CLOSED
               | ^             |                  ^
               | +--- voided --+                  |
               +--- expired, or answered elsewhere+
               ^                                  |
               +--- listed again -----------------+

A decision is voided when the call changed before the platform was told: the people are asked anew.

How far it is (`Stage`) and how it ended (`Outcome`) are two enums. A card is a view of this record, never
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
    """How far an approval is. Named for what is true; the comment says what is owed."""

    OPEN = "open"  #: the platform waits; owed: cards, rungs, a person's answer
    DECIDED = "decided"  #: somebody answered, durably; owed: telling the platform
    SETTLED = "settled"  #: the platform knows, or it is over; owed: final cards
    CLOSED = "closed"  #: nothing is owed


class Outcome(StrEnum):
    """How an approval ended."""

    APPROVED = "approved"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    TIMEOUT_SKIP = "timeout_skip"  #: nobody answered; never shown or recorded as a refusal
    ELSEWHERE = "elsewhere"  #: answered on the platform, or no longer pending there
    UNDELIVERABLE = "undeliverable"  #: a person answered and the platform could not be told in time


#: The platform's words for a request that nobody answered: in its audit, and in its stream.
TIMEOUTS = frozenset({"timeout", "timeout_skip"})

#: The drawing above. What is not listed here is refused by the store's compare-and-set.
STEPS: frozenset[tuple[Stage, Stage]] = frozenset(
    {
        (Stage.OPEN, Stage.DECIDED),
        (Stage.OPEN, Stage.SETTLED),
        (Stage.DECIDED, Stage.OPEN),
        (Stage.DECIDED, Stage.SETTLED),
        (Stage.SETTLED, Stage.CLOSED),
        # Nobody had answered it, it vanished, and the platform lists it again: it still waits.
        (Stage.SETTLED, Stage.OPEN),
        (Stage.CLOSED, Stage.OPEN),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who clicked, as the surface vouches for it, with the name and address that the policy knows."""

    surface: Surface
    account: str  #: the surface's immutable user id
    name: str
    email: str | None = None

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.email else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one person answered, on one call. A person has one vote, on whatever surface she gives it."""

    person: str  #: her handle in the policy
    verdict: HITLDecision
    actor: Actor
    at: datetime
    card_id: str
    digest: str  #: of the call that was shown; a vote counts for no other
    note: str | None = None
    acting_for: str | None = None  #: whose place she takes, by handle, when it was delegated to her
    seen_whole: bool = False  #: given where all of the call was shown, for the audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """ "I'm on it": somebody looks at it, and the others are left in peace until her lease ends."""

    person: str  #: her handle in the policy
    name: str
    at: datetime
    until: datetime


def distinct_people(votes: Iterable[Vote]) -> int:
    """How many distinct people these votes are for certain: the number that a quorum counts.

    Votes are tied that share an account, an e-mail address or a handle, be it the voter's own or that of whom
    she acts for: it may be one person twice, or one mandate. Ties add up: tied to the same vote, two are one
    with it, since they may be two names of whoever gave that one. The number can so be too low, which costs
    one more vote; where each person's own votes are tied, it is never above the number of people.
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
    """The answer: the vote that was enough, and who else it took."""

    verdict: HITLDecision
    actor: Actor
    at: datetime
    card_id: str
    note: str | None = None
    others: tuple[str, ...] = ()  #: those who had voted the same before, by name and address

    @property
    def response(self) -> HITLResponse:
        """What the platform is told. It has no field for who decided, so the names go with the note.

        The note is bounded, and quoted so that it cannot end its own quotation: to the agent it is what a
        person said, never an instruction of the platform.
        """
        who = ", ".join([*self.others, str(self.actor)])
        said = f"{self.verdict.value} by {who} in {self.actor.surface.value.title()}."
        if not self.note:
            return HITLResponse(decision=self.verdict, operator_input=said)
        quoted = json.dumps(self.note[:LONGEST_NOTE], ensure_ascii=False)
        return HITLResponse(decision=self.verdict, operator_input=f"{said} Note from the approver: {quoted}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Our record of one request, from first sight to the last card."""

    request: HITLRequest
    route: str  #: the name of the route that matched when it was admitted
    rule: str | None = None  #: the automatic rule that answers in place of people
    votes: tuple[Vote, ...] = ()  #: on the call as it is now, earliest first
    claims: tuple[Claim, ...] = ()  #: who said "I'm on it", earliest first; each person once
    widened: tuple[str, ...] = ()  #: people and groups that a rung added to the route's approvers
    stage: Stage
    first_seen: datetime
    deadline: Deadline
    revision: int = 1
    decision: Decision | None = None
    outcome: Outcome | None = None
    settled_at: datetime | None = None
    #: What the platform itself says became of it: a decision code, `timeout`, or None when it does not tell.
    platform_word: str | None = None
    #: Why the platform could not be told yet, in words for the approver; None while all is well.
    trouble: str | None = None
    escalated_at: datetime | None = None  #: when a rung last fired for the call as it is now
    ahead: Ahead | None = None  #: the next rung that has not fired, while it waits for people
    pinged: tuple[str, ...] = ()  #: whom rungs had named, by handle or group, once nobody had answered
    #: When the latest poll that listed this very call (same digest) began.
    confirmed_at: datetime | None = None
    #: How many good polls in a row did not list it.
    missed: int = 0
    attempts: int = 0  #: decision POSTs begun, counted before each is sent
    next_try: datetime | None = None  #: not to be posted before this
    #: When the platform last called it resolved (404, 409); a good poll that begins later tells whether it is.
    gone_at: datetime | None = None
    gones: int = 0  #: how many POSTs it answered so
    #: Which parts of its record somebody else than Nod wrote, or put back: then nobody's answer to it counts.
    forged: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Impossible pairs cannot be constructed.

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
        """The platform's request id; ours too, so that one request can never have two decisions."""
        return self.request.request_id

    @property
    def did_not_run(self) -> bool:
        """Nobody answered, and the platform itself says that it let the request run out."""
        return self.outcome is Outcome.TIMEOUT_SKIP and self.platform_word in TIMEOUTS

    @property
    def may_be_told(self) -> bool:
        """Whether a POST was begun that the platform did not call too late: it may have been taken."""
        return self.attempts > self.gones

    def claim_at(self, now: datetime) -> Claim | None:
        """Whose lease runs now; None when nobody is on it."""
        return next((claim for claim in self.claims if claim.at <= now < claim.until), None)


def outcome_by(decision: Decision) -> Outcome:
    """The outcome of a decision that the platform took."""
    return Outcome(decision.verdict.value)


def outcome_once_resolved(approval: Approval, word: str | None, *, tried_before: bool) -> Outcome:
    """How a request ended that the platform calls resolved (404, 409, or no longer listed).

    It is ours only if we had begun a POST before and the platform's own audit names our verdict: an answer
    that was lost on the way back. If it let the request run out, a decision of ours came too late. Without
    such a word it counts as answered elsewhere.
    """
    decision = approval.decision
    if decision is not None and tried_before and not approval.forged and word == decision.verdict.value:
        return outcome_by(decision)
    if word in TIMEOUTS:
        return Outcome.TIMEOUT_SKIP if decision is None else Outcome.UNDELIVERABLE
    return Outcome.ELSEWHERE
