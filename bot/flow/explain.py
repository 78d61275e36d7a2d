"""Why me, why not me: what the policy says about a card, for the person who asks."""

from __future__ import annotations

from collections.abc import Callable

from bot.approval import people_in
from bot.desk import Click
from bot.errors import Refused
from bot.flow.check import Check
from bot.policy import Policy, approvers_named, approvers_of, kept_out, names_of
from bot.ports import Clock
from bot.protocol import HITLDecision


class Explain:
    """Answers in lines; nothing is decided, and nothing noted."""

    def __init__(self, *, check: Check, policy: Callable[[], Policy], clock: Clock) -> None:
        self._check, self._policy, self._clock = check, policy, clock

    async def explain(self, click: Click) -> tuple[str, ...]:
        """Why this card is here, who may decide, what is missing, and for this person why not."""
        policy = self._policy()
        _, _, approval = await self._check.card(click)
        route = policy.route_named(approval.route)
        approvers = approvers_of(route, approval) if route else ()
        out = kept_out(policy, approval)
        people = [person.name for person in policy.members(approvers) if person.handle not in out]
        named = f" ({', '.join(people)})" if people else ""
        may = approvers_named(policy, route, approval)
        lines = [f"Route: {approval.route}", f"May decide: {may}{named}"]
        if route is not None:
            given = people_in(vote for vote in approval.votes if vote.verdict is HITLDecision.APPROVED)
            missing = f", {route.quorum - given} more to come" if given < route.quorum else ""
            needs = route.needs(HITLDecision.REJECTED)
            lines.append(f"Needed: {route.quorum} to approve{missing}; {needs} to reject or skip")
            pinged = tuple(name for rung in route.ladder for name in rung.who)
            whom = [name for name in dict.fromkeys(pinged) if names_of(policy, (name,), without=out)]
            lines.append(f"Pinged when it nears its deadline: {', '.join(whom) or 'nobody'}")
            lines.append(f"Shown in: {', '.join(str(place) for place in route.cards)}")
        claim = approval.claim_at(self._clock())
        if claim:
            lines.append(f"On it: {claim.name}; nobody else is pinged meanwhile")
        votes = ", ".join(f"{vote.actor.name} {vote.verdict.value}" for vote in approval.votes)
        lines.append(f"Votes so far: {votes or 'none'}")
        try:
            checked = await self._check.click(click)
        except Refused as refused:
            return (*lines, f"You: {refused} [{refused.code.value}]")
        place = f", for {checked.seat.acting_for}" if checked.seat.acting_for else ""
        return (*lines, f"You: you may decide this{place}.")
