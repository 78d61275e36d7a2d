"""The platform's words: a request that waits, the three decisions, a response (protocol.md, Contract)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class HITLDecision(StrEnum):
    """What a person, or a rule, answers. The platform knows no fourth word."""

    APPROVED = "approved"  #: run the tool
    REJECTED = "rejected"  #: do not run it, and say why
    SKIPPED = "skipped"  #: leave the tool out; the agent goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class HITLRequest:
    """One tool call that the platform holds back until somebody answers.

    Times and lengths are kept as the platform sent them: `bot.ladder.deadline_of` decides what to believe.
    """

    request_id: str
    tool_name: str
    arguments: Json
    agent_id: str
    run_id: str | None = None
    created_at: str | None = None
    timeout_at: str | None = None
    timeout_seconds: float | None = None
    #: False when the platform sent a preview that it had cut: then nobody can see the whole call.
    whole: bool = True

    @property
    def digest(self) -> str:
        """SHA-256 over everything a decision covers, as 64 hex digits: two equal digests, one call."""
        covered = [self.request_id, self.agent_id, self.tool_name, self.arguments, self.timeout_at]
        text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class HITLResponse:
    """An answer on its way to the platform: `POST /agents/hitl/decision` without the id."""

    decision: HITLDecision
    operator_input: str | None = None
