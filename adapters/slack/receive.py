"""One HTTP request to Slack's endpoint: verified by us, then bolt's; whatever it is, it gets an answer.

Payloads: docs.slack.dev/reference/interaction-payloads; as far as Nod reads them they stand in `openapi.json`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from adapters.slack.verify import verify
from bot.ports import Metrics

Reply = tuple[int, dict[str, str], bytes]  #: status, headers, body

#: Seconds that Slack waits for the answer to a click (docs.slack.dev, Handling user interaction).
SLACK_WAITS = 3.0
#: Slack shows a warning beside the button; a decision that is stored by then counts all the same.
LATE = b"Nod did not answer in time"

log = structlog.get_logger(__name__)


async def receive(
    headers: Mapping[str, str],
    body: bytes,
    *,
    app: AsyncApp,
    secret: str | None,
    now: datetime,
    metrics: Metrics,
    late: set[asyncio.Task[BoltResponse]],
) -> Reply:
    """The answer to one request. Without a secret (Socket Mode) every request is refused.

    What takes longer than Slack waits goes on in `late`. `count` is told `slack_request_refused` for each that
    was not Slack's or not readable, and `slack_request_not_used` for each that is Slack's and of no use to Nod.
    """
    if secret is None:
        return _refusal(404, "Nod receives clicks over a socket, not over HTTP", metrics)
    verdict = verify(headers, body, secret=secret, now=now)
    if not verdict.ok:
        return _refusal(verdict.status, verdict.text, metrics)
    if not verdict.used:
        metrics.count("slack_request_not_used")
        return 200, {}, b""
    try:
        # Bolt takes what was read already only by this name; it was verified, and is not read a second time.
        request = AsyncBoltRequest(body=dict(verdict.payload), headers=dict(headers), mode="socket_mode")
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        # bolt reads ids out of parts of the body whose types it takes for granted.
        return _refusal(400, "not a Slack payload", metrics)
    dispatched = asyncio.create_task(app.async_dispatch(request))
    try:
        async with asyncio.timeout(SLACK_WAITS):
            response = await asyncio.shield(dispatched)
    except TimeoutError:
        late.add(dispatched)
        dispatched.add_done_callback(late.discard)
        metrics.count("click_late")
        log.warning("click_late")
        return 503, {"content-type": "text/plain; charset=utf-8"}, LATE
    if response.status == 404:  # no listener takes it
        return _refusal(400, "not a Slack payload", metrics)
    if response.status == 500:  # bolt's own word for a body that it cannot read; ours would be 503
        return _refusal(400, "not a Slack payload", metrics)
    return response.status, response.first_headers(), response.body.encode()


def _refusal(status: int, text: str, metrics: Metrics) -> Reply:
    metrics.count("slack_request_refused")
    log.warning("slack_request_refused", status=status, cause=text)
    return status, {"content-type": "text/plain; charset=utf-8"}, text.encode()
