"""The shortest honest bot on slack-bolt, httpx and apscheduler: the speed limit of the same libraries.

No store, no policy, no retry: what it has in hand when it dies is lost. Run by `benchmarks.bots`.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import httpx
from aiohttp import web
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

slack = AsyncWebClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])
app = AsyncApp(client=slack, signing_secret=os.environ["SLACK_SIGNING_SECRET"])
platform = httpx.AsyncClient(base_url=os.environ["AIP_API_URL"], headers={"X-API-Key": "k"}, timeout=None)  # noqa: S113
#: At once; without a bound httpx opens a connection for each and slows itself down.
posts, decisions = asyncio.Semaphore(64), asyncio.Semaphore(32)
known = set[str]()


def card(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The call, and three buttons."""
    call = f"*{request['tool']}* {request['request_id']}\n```{json.dumps(request['arguments'], indent=2)}```"
    buttons = [
        {
            "type": "button",
            "action_id": verdict,
            "value": request["request_id"],
            "text": {"type": "plain_text", "text": label},
        }
        for verdict, label in (("approved", "Approve"), ("rejected", "Reject"), ("skipped", "Skip"))
    ]
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": call}},
        {"type": "actions", "elements": buttons},
    ]


async def show(request: dict[str, Any]) -> None:
    """Post a card."""
    async with posts:
        await slack.chat_postMessage(channel="C0123456789", text=request["tool"], blocks=card(request))


async def poll() -> None:
    """Post a card for each new request."""
    waiting = (await platform.get("/agents/hitl/pending")).json()
    new = [request for request in waiting if request["request_id"] not in known]
    known.update(request["request_id"] for request in new)
    await asyncio.gather(*map(show, new))


async def decide(ack: Any, body: dict[str, Any], action: dict[str, Any]) -> None:
    """Acknowledge, tell the platform, and take the buttons away."""
    await ack()
    decision = {
        "request_id": action["value"],
        "decision": action["action_id"],
        "operator_input": body["user"]["id"],
    }
    async with decisions:
        await platform.post("/agents/hitl/decision", json=decision)
    await slack.chat_update(channel=body["channel"]["id"], ts=body["message"]["ts"], text="Decided", blocks=[])


for verdict in ("approved", "rejected", "skipped"):
    app.action(verdict)(decide)


async def start(server: web.Application) -> None:
    """Poll each second."""
    scheduler = AsyncIOScheduler()
    every = float(os.environ["POLL_EVERY"])
    scheduler.add_job(poll, "interval", seconds=every, max_instances=1, coalesce=True, misfire_grace_time=None)
    scheduler.start()


async def ready(_: web.Request) -> web.Response:
    """That it listens."""
    return web.Response(text="ready")


if __name__ == "__main__":
    server = app.server(port=int(os.environ["NOD_PORT"]), path="/slack/events", host="127.0.0.1").web_app
    server.router.add_get("/readyz", ready)
    server.on_startup.append(start)
    web.run_app(server, host="127.0.0.1", port=int(os.environ["NOD_PORT"]), print=None, access_log=None)
