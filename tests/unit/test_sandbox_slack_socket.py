"""Socket Mode of the local Slack, spoken by Slack's own client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette

from sandbox.serve import serve
from sandbox.slack.delivery import NO_ANSWER, DeliveryResult
from sandbox.slack.mount import slack_routes
from sandbox.slack.workspace import Workspace, open_workspace

CHANNEL = "C0APPROVALS"
CARD = [
    {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": "approve", "text": {"type": "plain_text", "text": "Approve"}}
        ],
    }
]


@asynccontextmanager
async def connected(
    *, acks: bool = True, ack_seconds: float = 3.0
) -> AsyncIterator[tuple[Workspace, list[str]]]:
    """A workspace with one app on its socket, and the ids of the envelopes that came."""
    came: list[str] = []

    async def listen(client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        came.append(request.envelope_id)
        if acks:
            answer = SocketModeResponse(envelope_id=request.envelope_id, payload={"heard": request.type})
            await client.send_socket_mode_response(answer)

    async with (
        open_workspace(ack_seconds=ack_seconds) as workspace,
        serve(Starlette(routes=slack_routes(workspace))) as base,
    ):
        web = AsyncWebClient(base_url=f"{base}/api/")
        app = SocketModeClient(app_token=workspace.app.app_token, web_client=web)
        app.socket_mode_request_listeners.append(listen)
        try:
            await app.connect()
            await workspace.changes.until(lambda: workspace.sockets.connected == 1)
            yield workspace, came
        finally:
            await app.close()


async def click(workspace: Workspace) -> DeliveryResult:
    """Post a card and let Ann press its button."""
    async with httpx.AsyncClient(base_url=workspace.base_url) as http:
        headers = {"Authorization": f"Bearer {workspace.app.bot_token}"}
        card = {"channel": CHANNEL, "text": "Approve?", "blocks": CARD}
        posted = await http.post("/api/chat.postMessage", json=card, headers=headers)
    ts = posted.json()["ts"]
    return await workspace.click(user="U0ANN", channel=CHANNEL, ts=ts, action_id="approve")


async def test_a_click_goes_over_the_socket_and_is_acked() -> None:
    """With a socket connected no request URL is needed; the ack's payload is the answer."""
    async with connected() as (workspace, came):
        result = await click(workspace)

    expected = (200, {"heard": "interactive"})
    assert expected == (result.status, result.answer())
    assert len(came) == 1


async def test_an_envelope_that_is_not_acked_is_shown_as_such() -> None:
    """Without an ack in time the person sees that the app did not respond."""
    async with connected(acks=False, ack_seconds=0.2) as (workspace, came):
        result = await click(workspace)

    expected = (0, NO_ANSWER, 1)
    assert expected == (result.status, result.shown, len(came))


async def test_a_replay_repeats_the_envelope() -> None:
    """Socket Mode may deliver twice: the same envelope id comes again."""
    async with connected() as (workspace, came):
        await click(workspace)
        await workspace.replay()

    first, second = came
    assert first == second


async def test_an_app_reconnects_when_asked() -> None:
    """After a disconnect frame the app opens a new socket, and clicks go there."""
    async with connected() as (workspace, came):
        opened = len(workspace.called("apps.connections.open"))
        await workspace.sockets.disconnect("refresh_requested")
        await workspace.changes.until(
            lambda: len(workspace.called("apps.connections.open")) > opened and workspace.sockets.ready
        )
        result = await click(workspace)

    assert (result.ok, len(came)) == (True, 1)


async def test_a_stranger_gets_no_socket() -> None:
    """Without a ticket from apps.connections.open, the websocket is refused."""
    async with open_workspace() as workspace, serve(Starlette(routes=slack_routes(workspace))) as base:
        host, port = base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET /socket?ticket=guess HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        status = (await reader.readline()).split()[1]
        writer.close()
        await writer.wait_closed()

    expected = b"403"
    assert expected == status
