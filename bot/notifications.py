"""What a notification says, made from the record when it is sent; and the alert about a dead place. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from bot.alerts import CHANNEL_DEAD, SURFACE_DEAD, alert_of
from bot.approval import Approval, Outcome
from bot.card import Notification
from bot.policy import Person, Policy, approvers_of, kept_out, named_for
from bot.records import Alert, NotificationKind, OutboxItem, Ping
from bot.surface import Destination, Surface
from bot.wording import Saying, moment_of, notification_of, quoted_name, span, state_of, too_few, waiting_name


def notification_for(
    notices: Sequence[tuple[OutboxItem, Approval]],
    *,
    mark: str,
    policy: Policy,
    now: datetime,
    link: str | None = None,
) -> Notification:
    """One message for notifications to the same thread or person, the earliest deadline first."""
    first, approval = notices[0]
    who = [(name, approval) for notice, approval in notices for name in notice.who]
    return Notification(
        mark=mark,
        text=_together(notices, policy=policy, now=now) or _text(first, approval, policy=policy, now=now),
        mentions=() if first.person else mentioned(policy, who, first.surface),
        link=link if first.person else None,
        spare=all(notice.news is NotificationKind.OUTCOME for notice, _ in notices),
    )


def ended_ping(ping: Ping, *, policy: Policy) -> Notification:
    """What a message that pinged for these requests says once all of them have ended.

    In a thread where another message says how (`is_told_by_card`), it says only that it is out of date.
    """
    first, *others = ping.approvals
    text = _outcomes(ping.approvals) if others else _outcome(first, policy)
    if ping.threaded and not others and not is_told_by_card(first, policy=policy):
        text = ("No longer pending.",)
    return Notification(mark=ping.mark, text=text)


def mentioned(policy: Policy, who: Iterable[tuple[str, Approval]], surface: Surface) -> tuple[str, ...]:
    """The accounts in a chat of these people and groups, each once; without the people who asked for it."""
    people: dict[str, Person] = {}
    for name, approval in who:
        out = kept_out(policy, approval)
        people |= {person.handle: person for person in policy.members((name,)) if person.handle not in out}
    accounts = (person.accounts.get(surface) for person in people.values())
    return tuple(account for account in accounts if account)


def is_told_by_card(approval: Approval, *, policy: Policy) -> bool:
    """Whether the outcome needs no message of its own once the card shows it.

    An expired request is news to the people that the ladder notified or would have notified. An answer that did
    not get through, or not alone, is news to the person who gave it.
    """
    route = policy.route_named(approval.route)
    if approval.outcome is Outcome.TIMEOUT_SKIP and route is not None and route.ladder:
        return False
    crossed = approval.outcome in (Outcome.UNDELIVERABLE, Outcome.ELSEWHERE) and bool(approval.votes)
    return not crossed


def dead_place(where: Destination, troubles: Mapping[str, str], *, at: datetime) -> Alert | None:
    """The alert for a place where no card can be posted, from what `bot.ports.Chat.troubles` says of it."""
    surface = where.surface
    if "" in troubles:
        facts = {"chat": surface.title(), "why": troubles[""]}
        return alert_of(SURFACE_DEAD, f"surface:{surface}", facts, at=at)
    if where.channel in troubles:
        facts = {"where": str(where), "why": troubles[where.channel]}
        return alert_of(CHANNEL_DEAD, str(where), facts, at=at)
    return None


def _together(
    notices: Sequence[tuple[OutboxItem, Approval]], *, policy: Policy, now: datetime
) -> Saying | None:
    """The text about several requests at once; None for one."""
    approvals = {approval.id: approval for _, approval in notices}
    if len(approvals) == 1:
        return None
    if notices[0][0].news is NotificationKind.OUTCOME:
        return _outcomes(tuple(approvals.values()))
    first = min(approvals.values(), key=lambda approval: approval.deadline.at)
    urgent = waiting_name(first, policy=policy)
    said = f"{len(approvals)} requests are waiting. The most urgent is {urgent}. Decide by "
    named = tuple(name for notice, _ in notices for name in notice.who)
    return (said, moment_of(first.deadline.at, now=now), f" ({left(first, now)}).{stand_ins(policy, named)}")


def _outcomes(approvals: Sequence[Approval]) -> Saying:
    ends = Counter(_ENDS[approval.outcome] for approval in approvals if approval.outcome)
    said = ", ".join(f"{number} {end}" for end, number in ends.most_common())
    return (f"{len(approvals)} requests ended: {said}.",)


_ENDS = {
    Outcome.APPROVED: "approved",
    Outcome.REJECTED: "rejected",
    Outcome.SKIPPED: "skipped",
    Outcome.TIMEOUT_SKIP: "expired",
    Outcome.ELSEWHERE: "answered elsewhere",
    Outcome.UNDELIVERABLE: "not delivered",
}


def _text(notice: OutboxItem, approval: Approval, *, policy: Policy, now: datetime) -> Saying:
    until, still, name = (
        moment_of(approval.deadline.at, now=now),
        left(approval, now),
        waiting_name(approval, policy=policy),
    )
    match notice.news:
        case NotificationKind.OUTCOME:
            return _outcome(approval, policy)
        case NotificationKind.LAST_CALL:
            return (
                f"You have this: {name}. Decide by ",
                until,
                f" ({still}). If you do not decide, others are pinged when your time ends.",
            )
        case NotificationKind.RUNG if notice.person:
            return (
                f"Waiting for you: {name}. Decide by ",
                until,
                f" ({still}).{_asides(notice, approval, policy)}",
            )
        case NotificationKind.RUNG:
            return (f"{still} left: {name}. Decide by ", until, f".{_asides(notice, approval, policy)}")


def left(approval: Approval, now: datetime) -> str:
    """How much time is left when the message is sent."""
    return span(max(timedelta(seconds=1), approval.deadline.at - now))


def _asides(notice: OutboxItem, approval: Approval, policy: Policy) -> str:
    """Who can decide by now, and who has a stand-in."""
    route = policy.route_named(approval.route)
    now = approvers_of(route, approval) if route else ()
    let_in = tuple(name for name in now if name in approval.widened)
    named = named_for(policy, let_in, approval)
    said = f" {named} can now decide as well." if named else ""
    return said + stand_ins(policy, (*notice.who, *let_in))


def stand_ins(policy: Policy, names: tuple[str, ...]) -> str:
    """If a person is named only because a schedule could not be read: that fact, and why."""
    return "".join(
        f" Nod could not read who is on call for {name} ({policy.stand_ins[name]})."
        for name in dict.fromkeys(names)
        if name in policy.stand_ins
    )


def _outcome(approval: Approval, policy: Policy) -> Saying:
    ended = approval.settled_at or approval.deadline.at
    if approval.outcome is not Outcome.TIMEOUT_SKIP:
        return notification_of(approval, state_of(approval), policy=policy, now=ended)
    end = " did not run" if approval.did_not_run else ""
    said = f"Expired: {quoted_name(approval.request.tool_name)}{end}. {too_few(approval)} answered by "
    return (said, moment_of(approval.deadline.at, now=ended), ".")
