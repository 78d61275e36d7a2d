"""The ways in which real platforms depart from their own documents; all off by default."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """Each one has been seen."""

    #: Answers 200 to a second decision, or a late one, as the vendor's demo server does. The first is valid.
    forgiving: bool = False
    #: Shows `arguments` as indented ASCII JSON, cut at 2,048 characters and ended by `...` when longer.
    previews: bool = False
    #: Wraps the pending list as `{"success": true, "data": [...]}`.
    wrapped: bool = False
    #: A host in UTC+7 labels its local time `+00:00`, so `created_at` and `timeout_at` are that much late.
    local_offset: timedelta = timedelta(0)
    #: Only a waiting run enforces the deadline: an expired bare request stays listed and can be approved.
    lingering: bool = False
    #: The pending list names no run, as in the documents' own sample; the stream's headers do.
    nameless_runs: bool = False
    #: The audit endpoints exist; they are marked work in progress, and absent (404) in places.
    audited: bool = True
