"""A socket that dies silently is noticed and reconnected; in the end the process gives up."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from slack_sdk.web.async_client import AsyncWebClient
from structlog.testing import capture_logs

from adapters.slack.socket import Patience, open_socket
from bot.errors import Unavailable
from tests.contract.slack_rig import Rig, open_rig

LOGGER = logging.getLogger("tests.slack_socket")
LOGGER.setLevel(logging.CRITICAL)
#: The magic of RFC 6455, section 1.3.
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(slots=True)
class Mute:
    """A Slack whose sockets open and then say nothing at all, not even a pong."""

    url: str = ""
    opened: int = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: the Web API call that names the address, or the websocket itself."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            key = next(
                (line[19:] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key: ")), None
            )
            writer.write(self._address() if key is None else self._accept(key))
            await writer.drain()
            while key is not None and await reader.read(1024):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client hung up, which is all it can do here
        finally:
            writer.close()

    def _address(self) -> bytes:
        body = json.dumps({"ok": True, "url": self.url.replace("http", "ws")}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"Connection: close\r\n\r\n" + body

    def _accept(self, key: str) -> bytes:
        self.opened += 1
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        return f"{upgrade}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()


@asynccontextmanager
async def open_mute() -> AsyncIterator[Mute]:
    """The mute Slack on a port of its own."""
    mute = Mute()
    server = await asyncio.start_server(mute.talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    mute.url = f"http://127.0.0.1:{port}/"
    async with server:
        yield mute


async def hold(rig: Rig, api_url: str, *, silent: float, lost: float, ping: float = 0.1) -> None:
    """Keep a socket open until it gives up, at most twenty seconds."""
    client = AsyncWebClient(base_url=api_url, retry_handlers=[], logger=LOGGER)
    token = rig.workspace.app.app_token
    app, patience = rig.slack._app, Patience(ping=ping, silent=silent, lost=lost)
    async with (
        asyncio.timeout(20),
        open_socket(app=app, app_token=token, client=client, logger=LOGGER, patience=patience),
    ):
        await asyncio.sleep(60)


async def test_a_mute_socket_is_built_anew_and_then_given_up() -> None:
    """Connected but silent: new clients are tried, and then the block ends with Unavailable."""
    async with open_rig() as rig, open_mute() as mute:
        with capture_logs() as logs, pytest.raises(ExceptionGroup) as raised:
            await hold(rig, mute.url, silent=0.3, lost=1.5)
        assert raised.group_contains(Unavailable)
        assert mute.opened >= 2
        assert "socket_rebuilt" in [entry["event"] for entry in logs]


async def test_a_socket_that_cannot_be_opened_is_given_up() -> None:
    """Slack refuses every connection: the process does not sit there deaf."""
    async with open_rig() as rig:
        rig.faults.add(path="/api/apps.connections.open", status=503)
        with pytest.raises(ExceptionGroup) as raised:
            await hold(rig, f"{rig.url}/api/", silent=0.3, lost=0.8)
        assert raised.group_contains(Unavailable)


async def test_a_living_socket_stays() -> None:
    """Pongs are enough to stay: a quiet night is no outage."""
    async with open_rig() as rig:
        with pytest.raises(TimeoutError), capture_logs() as logs:
            async with asyncio.timeout(2.5):
                # The SDK reconnects by itself after four pings without a pong; a busy machine is no reason.
                await hold(rig, f"{rig.url}/api/", silent=1.5, lost=3.0, ping=0.4)
        assert [] == [entry["event"] for entry in logs if entry["event"] == "socket_rebuilt"]
        assert 1 == len(rig.workspace.called("apps.connections.open"))


async def test_a_mute_socket_holds_up_no_stop() -> None:
    """Slack answers no goodbye: what else a stop has to wait for needs the three seconds, too."""
    async with open_rig() as rig, open_mute() as mute:
        client = AsyncWebClient(base_url=mute.url, retry_handlers=[], logger=LOGGER)
        token, app = rig.workspace.app.app_token, rig.slack._app
        async with open_socket(app=app, app_token=token, client=client, logger=LOGGER):
            async with asyncio.timeout(5):
                while not mute.opened:
                    await asyncio.sleep(0.01)
            began = time.monotonic()
        assert time.monotonic() - began < 0.8
