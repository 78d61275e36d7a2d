"""What a notice says, made from the record at the moment it is sent; and what is said of a dead place. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from bot.approval import Approval, Outcome
from bot.card import Notification
from bot.policy import Person, Policy, approvers_of, kept_out, named_for
from bot.records import CHANNEL_DEAD, SURFACE_DEAD, Alert, NotificationKind, OutboxItem
from bot.surface import Destination, Surface
from bot.wording import Saying, asked, name_of, notification_of, state_of, unanswered, waiting_name


def notification_for(
    owed: Sequence[tuple[OutboxItem, Approval]], *, mark: str, policy: Policy, link: str | None = None
) -> Notification:
    """One message for notices that are owed to the same thread or person, the earliest deadline first."""
    first, approval = owed[0]
    who = [(name, approval) for notice, approval in owed for name in notice.who]
    return Notification(
        mark=mark,
        text=_together(owed, policy=policy) or _text(first, approval, policy=policy),
        mentions=() if first.person else mentioned(policy, who, first.surface),
        link=link if first.person else None,
        spare=all(notice.news is NotificationKind.OUTCOME for notice, _ in owed),
    )


def mentioned(policy: Policy, who: Iterable[tuple[str, Approval]], surface: Surface) -> tuple[str, ...]:
    """The accounts on a surface of these people and groups, each once; not of who asked for it themselves."""
    people: dict[str, Person] = {}
    for name, approval in who:
        out = kept_out(policy, approval)
        people |= {person.handle: person for person in policy.members((name,)) if person.handle not in out}
    accounts = (person.accounts.get(surface) for person in people.values())
    return tuple(account for account in accounts if account)


def is_told_by_card(approval: Approval, *, called: bool, policy: Policy) -> bool:
    """Whether how it ended is no news to anybody who was asked, once the card shows it.

    Who was `called` in its thread, or was to be by its ladder, hears it there; and an answer that did not get
    through, or not alone, is news to who gave it.
    """
    route = policy.route_named(approval.route)
    if approval.outcome is Outcome.TIMEOUT_SKIP and route is not None and route.ladder:
        return False
    crossed = approval.outcome in (Outcome.UNDELIVERABLE, Outcome.ELSEWHERE) and bool(approval.votes)
    return not called and not crossed


def dead_place(where: Destination, troubles: Mapping[str, str], *, at: datetime) -> Alert | None:
    """The alert for a place where no card can stand, by what `bot.ports.Chat.troubles` says of it."""
    surface = where.surface.value
    if "" in troubles:
        text = f"{surface.title()} refuses us: {troubles['']}"
        return Alert(approval_id=f"surface:{surface}", cause=SURFACE_DEAD, text=text, raised_at=at)
    if where.channel in troubles:
        text = f"No card can stand in {where}: {troubles[where.channel]}"
        return Alert(approval_id=str(where), cause=CHANNEL_DEAD, text=text, raised_at=at)
    return None


def _together(owed: Sequence[tuple[OutboxItem, Approval]], *, policy: Policy) -> Saying | None:
    """What is said of several requests at once; None for one."""
    approvals = {approval.id: approval for _, approval in owed}
    if len(approvals) == 1:
        return None
    if owed[0][0].news is not NotificationKind.OUTCOME:
        first = min(approvals.values(), key=lambda approval: approval.deadline.at)
        earliest = f"The earliest, {waiting_name(first, policy=policy)}, until "
        still = f"{len(approvals)} requests still wait for an answer. {earliest}"
        named = tuple(name for notice, _ in owed for name in notice.who)
        return (still, first.deadline.at, f".{stand_ins(policy, named)}")
    ends = Counter(_ENDS[approval.outcome] for approval in approvals.values() if approval.outcome)
    said = ", ".join(f"{number} {end}" for end, number in ends.most_common())
    unasked = [a for a in approvals.values() if a.outcome is Outcome.TIMEOUT_SKIP]
    whom = {asked(approval, policy=policy) for approval in unasked}
    who = f" Asked: {'; '.join(sorted(whom))}." if whom else ""
    return (f"{len(approvals)} requests ended: {said}.{who}",)


_ENDS = {
    Outcome.APPROVED: "approved",
    Outcome.REJECTED: "rejected",
    Outcome.SKIPPED: "skipped",
    Outcome.TIMEOUT_SKIP: "not answered in time",
    Outcome.ELSEWHERE: "answered elsewhere",
    Outcome.UNDELIVERABLE: "not delivered",
}


def _text(notice: OutboxItem, approval: Approval, *, policy: Policy) -> Saying:
    until = approval.deadline.at
    match notice.news:
        case NotificationKind.OUTCOME:
            return _outcome(approval, policy=policy)
        case NotificationKind.LAST_CALL:
            said = f"You said that you are on it: {waiting_name(approval, policy=policy)} still waits, until "
            return (said, until, ". The others hear of it again when your time is over.")
        case NotificationKind.RUNG:
            still = f"{waiting_name(approval, policy=policy)} still waits for an answer, until "
            return (still, until, f".{_asides(notice, approval, policy)}")


def _asides(notice: OutboxItem, approval: Approval, policy: Policy) -> str:
    """Who may decide by now, and for whom somebody stands in."""
    route = policy.route_named(approval.route)
    now = approvers_of(route, approval) if route else ()
    let_in = tuple(name for name in now if name in approval.widened)
    named = named_for(policy, let_in, approval)
    said = f" {named} may decide it now, too." if named else ""
    return said + stand_ins(policy, (*notice.who, *let_in))


def stand_ins(policy: Policy, names: tuple[str, ...]) -> str:
    """Where somebody is named only because nobody could read who is on call, that it is so, and why."""
    return "".join(
        f" Who is on call for {name} could not be read ({policy.stand_ins[name]})."
        for name in dict.fromkeys(names)
        if name in policy.stand_ins
    )


def _outcome(approval: Approval, *, policy: Policy) -> Saying:
    ended = approval.settled_at or approval.deadline.at
    if approval.outcome is Outcome.TIMEOUT_SKIP:
        return (f"{name_of(approval.request.tool_name)}: ", *unanswered(approval, policy=policy, now=ended))
    return notification_of(approval, state_of(approval), policy=policy, now=ended)
