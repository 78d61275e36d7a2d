"""`ask_people`: a callback for the platform's own `RemoteHITLHandler` that lets people answer through Nod.

    handler = RemoteHITLHandler(callback=ask_people, client=client.agents)

It decides nothing: it waits until someone has answered the request, on a card of a running bot or elsewhere,
and gives back the same answer. The handler posts it a second time, which the platform answers with 404 or 409
and the handler takes for resolved; where a platform answers 200, it is the same word again. So the first
answer counts.

The handler gives a callback 80 % of the window (the platform's guide) and rejects after that; the
callback's thread goes on all the same, and with `ask_people` ends at the request's own deadline. People have so
much time with it, and all of it when `run_agent` has no handler.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import Any, Protocol

from adapters.platform.hitl import HITLClient, SyncHITLClient
from bot.errors import Forbidden, Unavailable
from bot.handler import USUAL_WINDOW
from bot.ladder import deadline_of
from bot.ports import Clock, utc_now
from bot.protocol import HITLRequest

#: Answers by people, in the audit's words.
_ANSWERS = ("approved", "rejected", "skipped")
#: A request counts as answered once so many good looks in a row did not find it, as in a running bot.
_MISSING = 2
LATE = "Nobody answered before the deadline."
UNKNOWN = "The request is no longer pending, and the platform's audit does not say how it was decided."


class Asked(Protocol):
    """A request of the platform's client, or of Nod: `HITLRequest` of either."""

    @property
    def request_id(self) -> str: ...
    @property
    def timeout_at(self) -> str | None: ...
    @property
    def timeout_seconds(self) -> float | None: ...


def ask_people(
    request: Asked,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    every: float = 1.0,
    pause: Callable[[float], object] = time.sleep,
    clock: Clock = utc_now,
) -> Any:
    """Wait for the people's answer until the deadline, looking every so many seconds; blocks.

    The result is the `HITLResponse` of the package that `request` is of; a rejection when nobody answered or
    it cannot be told, since an answer is due and this one opens nothing. `functools.partial` gives address and
    key, else AIP_API_URL and AIP_API_KEY are read. Raises ConfigError, or Forbidden when the platform refuses.
    """
    package = import_module(type(request).__module__)
    deadline = _deadline(request, clock())
    with HITLClient.sync(base_url=base_url, api_key=api_key) as client:
        word, note = _answer(
            client, request.request_id, deadline=deadline, clock=clock, every=every, pause=pause
        )
    return package.HITLResponse(decision=package.HITLDecision(word), operator_input=note)


def _deadline(request: Asked, now: datetime) -> datetime:
    known = HITLRequest(
        request_id=request.request_id,
        tool_name="",
        arguments=None,
        agent_id="",
        timeout_at=request.timeout_at,
        timeout_seconds=request.timeout_seconds,
    )
    return deadline_of(known, first_seen=now, default=USUAL_WINDOW).at


def _answer(
    client: SyncHITLClient,
    request_id: str,
    *,
    deadline: datetime,
    clock: Clock,
    every: float,
    pause: Callable[[float], object],
) -> tuple[str, str | None]:
    missing = 0
    while clock() < deadline:
        try:
            waits = any(listed.request_id == request_id for listed in client.list_pending())
            missing = 0 if waits else missing + 1
        except Unavailable:
            missing = 0  # nothing may be concluded
        if missing and (told := _told(client, request_id)) is not None:
            return told
        if missing == _MISSING:
            return "rejected", UNKNOWN
        pause(every)
    return _told(client, request_id) or ("rejected", LATE)


def _told(client: SyncHITLClient, request_id: str) -> tuple[str, str | None] | None:
    """What the audit says that people answered; None where it does not say, cannot be read or may not be."""
    try:
        record = client.audit_record(request_id)
    except (Unavailable, Forbidden):
        return None
    if record is None or record.decision not in _ANSWERS:
        return None
    note = record.metadata.get("operator_input") if isinstance(record.metadata, dict) else None
    return record.decision, note if isinstance(note, str) else None
