"""The platform's terms: a pending request, the three decisions, a response."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bot.canonical import FORM, FORMS, NotCanonical, digest_of

#: The flaw of a call whose name is not a line of text: many tools could look like that one.
UNPRINTABLE = "a name has a line break or another invisible character"

#: The source that the environment names; the only one without `sources:` in nod.yaml.
GLAIP = "glaip"
#: How a source is named; an id that begins so is written with its source's name in front.
SOURCE_NAME = "[a-z][a-z0-9-]*"
_KEYED = re.compile(f"({SOURCE_NAME})::(.*)", re.DOTALL)


def key_of(source: str, request_id: str) -> str:
    """The id of an approval: the request's own id, with the source's name in front unless that is `glaip`.

    No two requests have the same: an id of `glaip` that reads like one of another source gets its name, too.
    """
    return request_id if split_key(request_id) == (source, request_id) else f"{source}::{request_id}"


def split_key(key: str) -> tuple[str, str]:
    """The source of an approval, and the request's own id."""
    keyed = _KEYED.fullmatch(key) if "::" in key else None
    return (keyed[1], keyed[2]) if keyed else (GLAIP, key)


Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class HITLDecision(StrEnum):
    """The answer of a person or a rule. The platform has no fourth one."""

    APPROVED = "approved"  #: run the tool
    REJECTED = "rejected"  #: do not run it, and say why
    SKIPPED = "skipped"  #: continue without this step


@dataclass(frozen=True, slots=True, kw_only=True)
class HITLRequest:
    """One tool call that the platform holds until someone answers.

    Times and lengths are kept as the platform sent them: `bot.ladder.deadline_of` decides what to trust.
    """

    request_id: str
    tool_name: str
    arguments: Json
    agent_id: str
    run_id: str | None = None
    created_at: str | None = None
    timeout_at: str | None = None
    timeout_seconds: float | None = None
    platform: str = ""  #: which platform asks: the host of its address
    source: str = GLAIP  #: by which name Nod reads and answers that platform
    #: Why this call has no canonical form (a key given twice, a number that parsers read differently), in
    #: words: then nobody can be sure of what they approve.
    flaw: str | None = None
    #: False if the platform sent a cut preview: then nobody can see the whole call.
    whole: bool = True

    #: The form of its digest: the current one, or that of the release that saved it (`bot.canonical.FORM`).
    form: str = field(default=FORM, compare=False)

    #: SHA-256 over everything a decision covers, as `<form>-<64 hex digits>`; of form 1 the digits alone. Two
    #: equal digests mean one call. The deadline is not part of it: a platform that waits longer asks for the
    #: same thing.
    digest: str = field(init=False)
    _told_flaw: str | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Give a call without a canonical form a flaw, and a digest for its Reject and Skip.

        Raises ValueError for a form that this version does not know.
        """
        if self.form not in FORMS:
            raise ValueError(f"unknown digest form {self.form!r}")
        names: list[Json] = [self.platform, self.key, self.agent_id, self.tool_name]
        object.__setattr__(self, "_told_flaw", self.flaw)
        if not (self.tool_name.isprintable() and self.agent_id.isprintable()):
            object.__setattr__(self, "flaw", self.flaw or UNPRINTABLE)
        try:
            digest = digest_of([*names, self.flaw, self.arguments], form=self.form)
        except NotCanonical as error:
            object.__setattr__(self, "flaw", self.flaw or str(error))
            digest = hashlib.sha256(repr([*names, self.arguments]).encode("utf-8", "replace")).hexdigest()
        object.__setattr__(self, "digest", digest if self.form == "1" else f"{self.form}-{digest}")

    def named_by(self, digest: str) -> bool:
        """Whether this digest belongs to exactly this call, by the form in which the digest was made."""
        form = digest.rpartition("-")[0] or "1"
        if form == self.form:
            return digest == self.digest
        return form in FORMS and digest == replace(self, form=form, flaw=self._told_flaw).digest

    @property
    def key(self) -> str:
        """The id of its approval: two sources may use the same request id."""
        return key_of(self.source, self.request_id)

    @property
    def tool_args(self) -> Json:
        """`arguments`, under the name in the platform's own client: its callbacks work here."""
        return self.arguments

    @property
    def hitl_metadata(self) -> dict[str, Json]:
        """What the platform said about the wait, under the names of its list."""
        said: dict[str, Json] = {"required": True, "decision": "pending", "request_id": self.request_id}
        times: dict[str, Json] = {"timeout_at": self.timeout_at, "timeout_seconds": self.timeout_seconds}
        return said | {name: value for name, value in times.items() if value is not None}

    @property
    def tool_metadata(self) -> dict[str, Json]:
        """The tool and its arguments under the names of a run's stream (`tool_info`)."""
        return {"name": self.tool_name, "args": self.arguments}

    @property
    def approvable(self) -> bool:
        """All of the call is here, and it can be read in only one way."""
        return self.whole and self.flaw is None


@dataclass(frozen=True, slots=True, kw_only=True)
class HITLResponse:
    """An answer for the platform: `POST /agents/hitl/decision` without the id."""

    decision: HITLDecision
    operator_input: str | None = None
