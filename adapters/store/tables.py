"""The tables. `migrations/` builds the same ones; the contract suite compares the two on each database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    and_,
    false,
    not_,
    or_,
    text,
    true,
)
from sqlalchemy.dialects import sqlite

from adapters.store.columns import Call, Moment, Names, Places, SurfaceName, Words, word_of
from bot.approval import Outcome, Stage
from bot.ladder import Action, DeadlineSource
from bot.protocol import GLAIP, HITLDecision
from bot.records import NotificationKind
from bot.surface import Scope

metadata = MetaData()

#: One row per request that was ever seen.
approvals = Table(
    "approvals",
    metadata,
    #: Made of the two that follow (`bot.protocol.key_of`).
    Column("id", Words, primary_key=True),
    Column("source", Words, nullable=False, server_default=GLAIP),
    Column("request_id", Words, nullable=False, server_default=""),
    Column("request", Call, nullable=False),
    Column("digest", Words, nullable=False),
    Column("route", Words, nullable=False),
    Column("rule", Words),
    Column("stage", word_of(Stage, check="approvals_stage"), nullable=False),
    Column("first_seen", Moment, nullable=False),
    Column("deadline", Moment, nullable=False),
    Column("deadline_source", word_of(DeadlineSource, check="approvals_deadline_source"), nullable=False),
    Column("deadline_doubt", Words),
    Column("revision", Integer, nullable=False),
    Column("outcome", word_of(Outcome, check="approvals_outcome")),
    Column("settled_at", Moment),
    Column("platform_word", Words),
    Column("trouble", Words),
    Column("escalated_at", Moment),
    Column("confirmed_at", Moment),
    Column("missed", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try", Moment),
    #: Which agent asks, for counting without reading the calls.
    Column("agent", Words),
    Column("widened", Names, nullable=False, server_default="[]"),
    #: Whether the news of its end is queued; once for each end.
    Column("told", Boolean, nullable=False, server_default=false()),
    #: The platform called it resolved (404, 409): when it last did, and how often.
    Column("gone_at", Moment),
    Column("gones", Integer, nullable=False, server_default="0"),
    #: How often Nod made up another deadline for it.
    Column("renewed", Integer, nullable=False, server_default="0"),
    #: Nod's word on the call, and on how it is answered (`adapters.store.proofs`).
    Column("call_signature", Words),
    Column("terms_signature", Words),
    #: Of a decided one: when `deliver` takes it; NULL while only a list that confirms the call lets it be sent.
    Column("due_at", Moment),
    #: After how many misses the platform's audit was last asked what became of it.
    Column("asked", Integer, nullable=False, server_default="0"),
    CheckConstraint("(stage IN ('settled', 'closed')) = (outcome IS NOT NULL)", name="approvals_ended"),
    Index("approvals_at_stage", "stage", "deadline", "source"),
    Index("approvals_of_source", "source", "request_id", unique=True),
    Index("approvals_of_agents", "stage", "rule", "agent"),
)
#: What steps look for, each with its own index: a few rows, however many requests there are or were. In the
#: words of the statements: SQLite uses a partial index for no others (sqlite.org/partialindex.html, 3).
DUE = approvals.c.due_at.is_not(None)
UNLISTED = text("stage = 'decided' AND due_at IS NULL")
IN_TROUBLE = text("stage = 'decided' AND (trouble IS NOT NULL OR gones > 0)")
MISSING = text("stage IN ('open', 'decided') AND missed > 0")
UNTOLD = text("stage = 'settled' AND NOT told")
for _name, _columns, _where in (
    ("approvals_due", ("source", "due_at"), DUE),
    ("approvals_unlisted", ("source", "next_try"), UNLISTED),
    ("approvals_in_trouble", ("source", "deadline"), IN_TROUBLE),
    ("approvals_missing", ("source", "deadline"), MISSING),
    ("approvals_untold", ("deadline",), UNTOLD),
):
    Index(_name, *(approvals.c[one] for one in _columns), sqlite_where=_where, postgresql_where=_where)

#: For each source the last poll that was noted, with Nod's word on it (`adapters.store.proofs`).
polls = Table(
    "polls", metadata, Column("source", Words, primary_key=True), Column("number", Integer, nullable=False),
    Column("began_at", Moment, nullable=False), Column("body", Words, nullable=False),
    Column("listed", Integer, nullable=False), Column("signature", Words, nullable=False),
)  # fmt: skip

#: The primary key is the proof that one request never has two decisions.
decisions = Table(
    "decisions",
    metadata,
    Column("approval_id", Words, ForeignKey("approvals.id"), primary_key=True),
    Column("verdict", word_of(HITLDecision, check="decisions_verdict"), nullable=False),
    Column("surface", SurfaceName(), nullable=False),
    Column("account", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("email", Words),
    Column("at", Moment, nullable=False),
    Column("card_id", Words, nullable=False),
    Column("note", Words),
    Column("others", Names, nullable=False, server_default="[]"),
    #: The record's when it was made: what is older than a taking back does not count.
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("signature", Words),
)

#: One vote per person and request; it counts for the call with its digest only.
votes = Table(
    "votes",
    metadata,
    Column("approval_id", Words, ForeignKey("approvals.id"), primary_key=True),
    Column("person", Words, primary_key=True),
    Column("verdict", word_of(HITLDecision, check="votes_verdict"), nullable=False),
    Column("surface", SurfaceName(), nullable=False),
    Column("account", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("email", Words),
    Column("at", Moment, nullable=False),
    Column("card_id", Words, nullable=False),
    Column("digest", Words, nullable=False),
    Column("note", Words),
    Column("acting_for", Words),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("signature", Words),
)

placements = Table(
    "placements",
    metadata,
    Column("card_id", Words, primary_key=True),
    Column("approval_id", Words, ForeignKey("approvals.id"), nullable=False),
    Column("surface", SurfaceName(), nullable=False),
    Column("channel", Words, nullable=False),
    Column("ref", Words),
    Column("shown_revision", Integer, nullable=False),
    Column("attempted_at", Moment),
    Column("tries", Integer, nullable=False),
    Column("next_try", Moment),
    #: Whether it may still have to show something: not when it was given up, or closed with its approval.
    Column("owed", Boolean, nullable=False),
    Column("digest", Words),
    Column("superseded", Boolean, nullable=False, server_default=false()),
    Column("gathered", Boolean, nullable=False, server_default=false()),
    Column("gathered_at", Moment),
    #: Of the approval, kept by a trigger in the very statement that changes it (`migrations/copies.py`): what
    #: there is to show and until when, whether a first post is still of use, and whether people are asked.
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("deadline", Moment, nullable=False, server_default="0"),
    Column("asked", Boolean, nullable=False, server_default=false()),
    Column("for_people", Boolean, nullable=False, server_default=false()),
    #: By when a card that waits for its first post has to be up; None: nobody has met it since it waits.
    Column("up_by", Moment),
    # A policy decides, and shows nothing.
    CheckConstraint("surface != 'policy'", name="placements_surface"),
    Index("placements_of", "approval_id"),
)
Index(
    "placements_owed",
    placements.c.approval_id,
    # In the words of the statements: SQLite uses it for no others (sqlite.org/partialindex.html, 3).
    sqlite_where=text("owed = 1"),
    postgresql_where=placements.c.owed,
)
_P = placements.c
_OWED = and_(_P.owed, ~_P.gathered)
#: Cards without a message of their own that are, or may yet be, posted.
IN_LINE = and_(_OWED, _P.ref.is_(None), or_(_P.attempted_at.is_not(None), _P.asked))
#: Of those the ones whose first post was begun: it failed, or is under way.
BEGUN = and_(_OWED, _P.ref.is_(None), _P.attempted_at.is_not(None))
#: Of those the ones for people that nobody has tried to post yet.
UNTRIED = and_(_OWED, _P.ref.is_(None), _P.attempted_at.is_(None), _P.for_people, ~_P.superseded)
#: Cards whose message shows less than their record.
OUTDATED = and_(_OWED, _P.ref.is_not(None), or_(_P.superseded, _P.shown_revision < _P.revision))
#: Requests for people on the queue message of their channel.
GATHERED = and_(_P.gathered, _P.for_people, ~_P.superseded)


def _partial(name: str, where: ColumnElement[bool], *columns: ColumnElement[Any]) -> None:
    """An index on those rows of `placements` alone: it grows with them, and not with what is open."""
    said = where.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    Index(name, *columns, sqlite_where=text(str(said).replace("placements.", "")), postgresql_where=where)


_LINE = (_P.surface, _P.channel, _P.deadline, _P.approval_id, _P.card_id)
_partial("placements_in_line", IN_LINE, *_LINE)
_partial("placements_begun", BEGUN, _P.surface, _P.channel, _P.next_try)
_partial("placements_untried", UNTRIED, *_LINE, _P.up_by)
_partial("placements_outdated", OUTDATED, _P.deadline, _P.next_try)
_partial("placements_put_off", _P.next_try.is_not(None), _P.next_try)
_partial("placements_gathered", GATHERED, *_LINE, _P.gathered_at)

#: Cards that are not up: next to none, while all is well.
BARE = and_(_P.owed, _P.ref.is_(None), ~_P.superseded)
_partial("placements_bare", BARE, _P.approval_id)

rungs = Table(
    "rungs",
    metadata,
    Column("approval_id", Words, ForeignKey("approvals.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("due_at", Moment, nullable=False),
    Column("who", Names, nullable=False),
    Column("fired_at", Moment),
    Column("action", word_of(Action), nullable=False, server_default="ping"),
    Column("cards", Places, nullable=False, server_default="[]"),
)
Index(
    "rungs_unfired",
    rungs.c.due_at,
    sqlite_where=rungs.c.fired_at.is_(None),
    postgresql_where=rungs.c.fired_at.is_(None),
)

#: "I'm on it": each person once for each call.
claims = Table(
    "claims",
    metadata,
    Column("approval_id", Words, ForeignKey("approvals.id"), primary_key=True),
    Column("person", Words, primary_key=True),
    Column("name", Words, nullable=False),
    Column("at", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Index("claims_until", "until"),
)

#: Messages that wait to be sent, and those that were sent or dropped.
notices = Table(
    "notices",
    metadata,
    Column("approval_id", Words, ForeignKey("approvals.id"), primary_key=True),
    Column("mark", Words, primary_key=True),
    Column("news", word_of(NotificationKind, check="notices_news"), nullable=False),
    Column("surface", SurfaceName(), nullable=False),
    Column("card_id", Words),
    Column("person", Words),
    Column("who", Names, nullable=False),
    Column("owed_since", Moment, nullable=False),
    Column("sent_as", Words),
    Column("attempted_at", Moment),
    Column("tries", Integer, nullable=False),
    Column("next_try", Moment),
    Column("sent_at", Moment),
    Column("dropped_at", Moment),
    Column("channel", Words),
    Column("ref", Words),
    Column("amended_at", Moment),
    #: Whether it is up, and its request has ended.
    Column("outdated", Boolean, nullable=False, server_default=false()),
    CheckConstraint("surface != 'policy'", name="notices_surface"),
    CheckConstraint("(card_id IS NULL) != (person IS NULL)", name="notices_to"),
)
_UNPAID = and_(notices.c.sent_at.is_(None), notices.c.dropped_at.is_(None))
Index("notices_owed", notices.c.approval_id, sqlite_where=_UNPAID, postgresql_where=_UNPAID)
Index("notices_due", notices.c.next_try, sqlite_where=_UNPAID, postgresql_where=_UNPAID)
Index(
    "notices_outdated", notices.c.surface, notices.c.channel, notices.c.ref,
    sqlite_where=text("outdated = 1"), postgresql_where=notices.c.outdated,
)  # fmt: skip
#: What such a message says is no longer true when its request ends.
IS_PING = notices.c.news.in_((NotificationKind.RUNG, NotificationKind.LAST_CALL))
#: Pings that still say that a request is pending. Only pings have a `ref`, so the index on it stays small.
UP = and_(notices.c.ref.is_not(None), notices.c.amended_at.is_(None), IS_PING)
_UP = text("ref IS NOT NULL AND amended_at IS NULL")
Index("notices_up", notices.c.surface, notices.c.channel, notices.c.ref, sqlite_where=_UP, postgresql_where=_UP)

#: For each channel the one message about what has no card of its own there.
digests = Table(
    "digests",
    metadata,
    Column("digest_id", Words, primary_key=True),
    Column("surface", SurfaceName(), nullable=False),
    Column("channel", Words, nullable=False),
    Column("ref", Words),
    Column("shown", Words),
    Column("shown_at", Moment),
    Column("attempted_at", Moment),
    Column("tries", Integer, nullable=False),
    Column("next_try", Moment),
    CheckConstraint("surface != 'policy'", name="digests_surface"),
    UniqueConstraint("surface", "channel", name="digests_channel"),
)

#: No foreign key to approvals: an alert must go out whatever it is about.
alerts = Table(
    "alerts",
    metadata,
    Column("approval_id", Words, primary_key=True),
    Column("cause", Words, primary_key=True),
    Column("text", Words, nullable=False),
    Column("raised_at", Moment, nullable=False),
    Column("mended", Words, key="resolved"),
)
_UNRESOLVED = alerts.c.resolved.is_(None)
Index("alerts_open", alerts.c.cause, sqlite_where=_UNRESOLVED, postgresql_where=_UNRESOLVED)

#: What each pager is to get: first the alert, then, if it is resolved, that it is.
pages = Table(
    "pages",
    metadata,
    Column("approval_id", Words, primary_key=True),
    Column("cause", Words, primary_key=True),
    Column("pager", Words, primary_key=True),
    Column("ref", Words),
    Column("attempted_at", Moment),
    Column("tries", Integer, nullable=False),
    Column("next_try", Moment),
    Column("taken", Boolean, nullable=False),
    Column("told_mended", Boolean, nullable=False),
    #: Whether the pager is to get it: it has not accepted it, or it is resolved and the pager did not get that.
    Column("owed", Boolean, nullable=False, server_default=true()),
    ForeignKeyConstraint(["approval_id", "cause"], ["alerts.approval_id", "alerts.cause"]),
)
#: Pages with nothing left to send.
TAKEN = and_(not_(pages.c.owed), not_(pages.c.told_mended))
Index(
    "pages_taken",
    pages.c.approval_id,
    pages.c.cause,
    sqlite_where=text("owed = 0 AND told_mended = 0"),
    postgresql_where=TAKEN,
)
Index("pages_due", pages.c.next_try, sqlite_where=text("owed = 1"), postgresql_where=pages.c.owed)

#: Where the bot of a chat may speak, as the chat told it.
conversations = Table(
    "conversations",
    metadata,
    Column("id", Words, primary_key=True),
    Column("tenant", Words, nullable=False),
    Column("service_url", Words, nullable=False),
    Column("scope", word_of(Scope, check="conversations_scope"), nullable=False),
    Column("name", Words, nullable=False),
    Column("bot_id", Words, nullable=False),
    Column("person", Words),
    Column("user_id", Words, key="user"),
    Column("team", Words),
    Index("conversations_of", "person"),
)

#: Written to only in order to see whether writing works: one row, another each time.
probes = Table(
    "probes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("filler", Words, nullable=False),
)

#: The chain of `bot.audit`. Triggers refuse to change a row, and to delete one that no anchor covers.
audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", Words, nullable=False),
    Column("approval_id", Words),
    Column("body", Words, nullable=False),
    Column("previous", Words, nullable=False),
    Column("hash", Words, nullable=False),
    Index("audit_of", "approval_id", "number"),
    Index("audit_at", "at_ms"),
)

#: The last row that each round of retention removed: what is left of the chain follows the latest of these.
audit_anchor = Table(
    "audit_anchor",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", Words, nullable=False),
    Column("at", Moment, nullable=False),
)
