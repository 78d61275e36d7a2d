"""Names, moments, titles and endings in words, for cards and notifications. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never
from unicodedata import normalize

from bot.approval import TIMEOUTS, Approval, Outcome, Stage
from bot.call import LONGEST_KEPT, LONGEST_NAME, Line, masked_name, size_of
from bot.policy import Person, Policy, approvers_of, kept_out
from bot.protocol import HITLRequest


class Shown(StrEnum):
    """How precisely a moment is shown."""

    SECOND = "second"
    MINUTE = "minute"
    DATE = "date"  #: the day and the minute


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment that a chat shows in its reader's own time zone, as precisely as needed."""

    at: datetime
    shown: Shown


#: Within the first span of now the second matters, and within the other the day does not.
SECOND_WITHIN, MINUTE_WITHIN = timedelta(minutes=5), timedelta(hours=12)

#: Plain text and moments, in order; a bare `datetime` is shown with its date.
Saying = tuple[str | datetime | Moment, ...]

#: A name that cannot be read as Nod's own words: no blank, comma or semicolon, and no sign beyond ASCII.
_ONE_WORD = re.compile(r"[\w!-+\--:<-~]+")
#: Quotation marks within quotation marks.
_INSIDE = str.maketrans({"“": "\\u{201C}", "”": "\\u{201D}"})

#: What can follow a moment in a sentence, and is separate if the moment is set apart.
_STOPS = (".", ",", ":", ";")


class CardState(StrEnum):
    """What a card shows; one look per state, in every chat."""

    OPEN = "open"
    CHANGED = "changed"  #: the call changed under this card; a new card is below
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
    CardState.AUTOMATIC: "Automatic: {tool}",
    CardState.SENDING: "Decided: {tool}",
    CardState.RETRYING: "⚠ Not delivered yet: {tool}",
    CardState.APPROVED: "✅ Approved: {tool}",
    CardState.REJECTED: "❌ Rejected: {tool}",
    CardState.SKIPPED: "⏭ Skipped: {tool}",
    CardState.EXPIRED: "⌛ Expired: {tool}",
    CardState.ELSEWHERE: "Answered elsewhere: {tool}",
    CardState.UNDELIVERABLE: "⚠ Not delivered: {tool}",
}

#: Their titles say the verdict.
_DID_TITLED = (CardState.APPROVED, CardState.REJECTED, CardState.SKIPPED)


def set_apart(saying: Saying) -> Saying:
    """The sentence for a layout with a separate place for each part: adjacent words are one part.

    Text after a moment begins with a middle dot, because a full stop or a comma would be alone there.
    """
    parts: list[str | datetime | Moment] = []
    for part in _joined(saying):
        if isinstance(part, str) and parts:
            rest = part[1:].strip() if part.startswith(_STOPS) else part
            parts.append(f"· {rest}" if rest and part.startswith(_STOPS) else rest)
        else:
            parts.append(part)
    return tuple(part for part in parts if part)


def _joined(saying: Saying) -> Saying:
    parts: list[str | datetime | Moment] = []
    for part in saying:
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    return tuple(parts)


def together(sayings: Iterable[Saying]) -> Saying:
    """Sentences as one line."""
    line: Saying = ()
    for saying in sayings:
        line = (*line, " ", *saying) if line else saying
    return line


def moment_of(at: datetime, *, now: datetime) -> Moment:
    """A moment with its second if it is near, and with its date if it is far."""
    away = abs(at - now)
    if away < SECOND_WITHIN:
        return Moment(at, Shown.SECOND)
    return Moment(at, Shown.MINUTE if away < MINUTE_WITHIN else Shown.DATE)


def moment_parts(part: datetime | Moment) -> Moment:
    """Any moment of a sentence, with how precisely it is shown."""
    return part if isinstance(part, Moment) else Moment(part, Shown.DATE)


def state_of(approval: Approval, *, superseded: bool = False) -> CardState:
    """The look for this record."""
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


def span(length: timedelta) -> str:
    """A length of time for text that is read at once: `18 s`, `5 min`, `3 h`; never negative."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def name_of(text: str) -> str:
    """A tool's or an agent's name on one line, made visible, without secrets, cut at LONGEST_NAME."""
    line = masked_name(text[:LONGEST_KEPT]) if text else "(no name)"
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"


def called_platform(name: str) -> str:
    """A source in a sentence; it has a name where there are several."""
    return f"the platform {name}" if name else "the platform"


def quoted_name(text: str) -> str:
    """`name_of`, in quotation marks if it could be taken for words of the sentence around it."""
    name = name_of(text)
    plain = not text or _ONE_WORD.fullmatch(masked_name(text[:LONGEST_KEPT]))
    return name if plain else f"“{name.translate(_INSIDE)}”"


def agent_named(policy: Policy, agent_id: str) -> str:
    """The agent by its name in nod.yaml, else by its id, marked if it imitates a name."""
    if agent_id in policy.agents:
        return policy.agents[agent_id]
    if _alike(agent_id) in map(_alike, policy.agents.values()):
        return f"{name_of(agent_id)} (agent id)"
    return quoted_name(agent_id)


def asker_named(policy: Policy, request: HITLRequest) -> str:
    """The agent, and where there are several sources, by which of them it asks."""
    agent = agent_named(policy, request.agent_id)
    return f"{agent} ({request.source})" if len(policy.sources) > 1 else agent


def _alike(name: str) -> str:
    """What a hurried reader sees of a name: its letters and digits."""
    return "".join(filter(str.isalnum, normalize("NFKC", name).casefold()))


def title_of(approval: Approval, state: CardState) -> str:
    """The first line of a card."""
    tool = quoted_name(approval.request.tool_name)
    if state is CardState.ELSEWHERE and not approval.platform_word:
        return f"No longer pending: {tool}"
    did_not_run = state is CardState.EXPIRED and approval.platform_word in TIMEOUTS
    return _TITLES[state].replace("{tool}", f"{tool} did not run" if did_not_run else tool)


def notification_of(approval: Approval, state: CardState, *, policy: Policy, now: datetime) -> Saying:
    """The one line for a phone's lock screen and a screen reader."""
    title = title_of(approval, state)
    if state is CardState.OPEN:
        agent = asker_named(policy, approval.request)
        if approval.deadline.unknown:
            return (f"{title} {agent}",)
        return (f"{title} {agent}, by ", moment_of(approval.deadline.at, now=now))
    decision = approval.decision if state is not CardState.ELSEWHERE else None
    did = "" if state in _DID_TITLED or not decision else f"{decision.verdict.value} "
    return (f"{title}, {did}by {decision.actor.name}",) if decision else (title,)


def folded_call(lines: tuple[Line, ...]) -> str:
    """The call in one line: its first argument, and how much more there was."""
    first = f"{lines[0].key}: {lines[0].value}".removeprefix(": ") if lines else "(no arguments)"
    line = " ".join(first.split())
    short = line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"
    more = f"+{len(lines) - 1} more argument{'s' if len(lines) > 2 else ''}"
    return short if len(lines) < 2 else f"{short} ({more}; {size_of(lines)})"


def waiting_name(approval: Approval, *, policy: Policy) -> str:
    """One line of a queue message: which tool, and for which agent."""
    return f"{quoted_name(approval.request.tool_name)} ({asker_named(policy, approval.request)})"


def listed(names: list[str], word: str, *, most: int = 3) -> str:
    """`Ann, Bob or Olu`; for more than `most` the first few, and how many others there are."""
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} others"]
    return f" {word} ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def first_names(policy: Policy, people: tuple[Person, ...]) -> list[str]:
    """What colleagues call them: the first name if nobody else in the file has it, else the whole name."""
    firsts = [_first(person.name) for person in policy.people.values()]
    return [
        first if (first := _first(person.name)) and firsts.count(first) == 1 else person.name
        for person in people
    ]


def _first(name: str) -> str:
    first = name.partition(" ")[0]
    return first if len(first) > 1 and not first.endswith(".") else ""


def called(policy: Policy, names: tuple[str, ...], approval: Approval) -> list[str]:
    """People and groups by people's names, without people who cannot decide this; on-call as "on-call"."""
    out, said = kept_out(policy, approval), list[str]()
    for name in dict.fromkeys(names):
        members = tuple(person for person in policy.members((name,)) if person.handle not in out)
        if name in policy.oncall:
            said += [_on_call(name)] if members else []
        elif members:
            said += first_names(policy, members)
        elif name not in policy.people and not policy.members((name,)):
            said.append(name)  # a group whose people are not known now
    return list(dict.fromkeys(said))


def _on_call(name: str) -> str:
    return "on-call" if name.casefold() in ("oncall", "on-call", "on_call") else f"{name} (on-call)"


def beaten_by(word: str | None) -> str:
    """Why a decision came second: what the platform's audit says, or that it is no longer pending."""
    return "the platform already had an answer" if word else "the platform no longer waited for it"


def unanswered(approval: Approval, *, policy: Policy, now: datetime) -> Saying:
    """That nobody answered in time, and who was asked. Never the word rejected."""
    by = moment_of(approval.deadline.at, now=now)
    return (f"{too_few(approval)} answered by ", by, f" (asked: {asked(approval, policy=policy)}).")


def too_few(approval: Approval) -> str:
    """Who has answered, if that was not enough."""
    return "Not enough people" if approval.votes else "Nobody"


def asked(approval: Approval, *, policy: Policy) -> str:
    """Who could have answered, and who the ladder named; who was on call then is no longer known."""
    route = policy.route_named(approval.route)
    can = approvers_of(route, approval) if route else ()
    return listed(called(policy, (*can, *approval.pinged), approval), "and", most=8) or "nobody"
