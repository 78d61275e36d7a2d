"""Every client of Nod's trusts a private authority, goes through the proxy, and says what failed and where."""

from __future__ import annotations

import ast
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.graph import open_graph
from adapters.http import REACHED, exchange, open_client
from adapters.oncall.services import Fetch
from adapters.pagers.services import Exchange
from adapters.platform.client import open_platform
from adapters.relay.wake import open_waker
from adapters.slack import open_slack
from adapters.watch.heartbeat import open_heartbeat
from bot.errors import ConfigError, NodError, Unavailable
from bot.ports import NO_METRICS, GroupRef
from tests.servers.private import HOST, Network, private_network
from tests.servers.system import until

ADAPTERS = Path(__file__).parents[2] / "adapters"


def now() -> datetime:
    return datetime.now(UTC)


async def platform(url: str) -> None:
    async with open_platform(url, "key", clock=now) as opened:
        await opened.pending()


async def calendar(url: str) -> None:
    async with open_client(timeout=5) as client:
        await Fetch(client=client).read(url, who="the calendar", headers={})


async def pager(url: str) -> None:
    async with open_client(timeout=5) as client:
        await Exchange(client=client, clock=now).post(url, b"{}", to="the pager", taken=(200,))


async def teams(url: str) -> None:
    async with open_client(timeout=REACHED) as client:
        await exchange(client, "GET", url)


async def graph(url: str) -> None:
    opened = open_graph(app_id="a", password="p", tenant="t", graph_url=url, login_url=url)
    async with opened as keeper:
        await keeper.members(GroupRef(kind="entra-group", id="g"))


async def slack(url: str) -> None:
    nobody: Any = None
    async with open_slack(
        token="xoxb-1", signing_secret="s" * 32, app_token=None, api_url=f"{url}/api/",
        desk=nobody, clock=now, metrics=NO_METRICS,
    ):  # fmt: skip
        pass


async def heartbeat(url: str) -> None:
    with capture_logs() as logs:
        async with open_heartbeat(url, metrics=NO_METRICS) as liveness:
            assert liveness is not None
            well = await liveness.beat()
    if not well:
        raise Unavailable(str(logs))


async def waker(url: str) -> None:
    with capture_logs() as logs:
        async with open_waker(url, "t" * 32):
            await until(lambda: bool(logs), within=15, what="the first wake to be over")
    raise Unavailable(str(logs))


Client = Callable[[str], Awaitable[None]]
CLIENTS: list[Client] = [platform, calendar, pager, teams, graph, slack, heartbeat, waker]
every_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with private_network(tmp_path) as opened:
        yield opened


async def failure(client: Client, url: str) -> str:
    """What the client says of its failure."""
    with pytest.raises(NodError) as caught:
        await client(url)
    return str(caught.value)


@every_client
async def test_a_private_authority_and_the_proxy_are_used(
    client: Client, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`SSL_CERT_FILE` vouches for the server, and only the proxy knows its name."""
    monkeypatch.setenv("SSL_CERT_FILE", str(network.authority))
    monkeypatch.setenv("HTTPS_PROXY", network.proxy)
    monkeypatch.setenv("NO_PROXY", "other.test,10.0.0.0/8")
    with suppress(NodError):  # what they make of this server's answer is not the question
        await client(f"https://{HOST}:{network.port}")

    assert {f"CONNECT {HOST}:{network.port} HTTP/1.1"} == set(network.connects)
    assert network.asked


@every_client
async def test_this_machine_is_reached_directly(
    client: Client, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the proxy is for, it would not find its way back here."""
    monkeypatch.setenv("SSL_CERT_FILE", str(network.authority))
    monkeypatch.setenv("HTTPS_PROXY", network.proxy)
    with suppress(NodError):
        await client(f"https://127.0.0.1:{network.port}")

    assert [] == network.connects
    assert network.asked


@every_client
async def test_an_authority_that_is_not_trusted_is_named(client: Client, network: Network) -> None:
    """And nothing is sent to that server."""
    said = await failure(client, f"https://127.0.0.1:{network.port}")

    assert f"certificate of 127.0.0.1:{network.port} is not trusted" in said
    assert [] == network.asked


@every_client
async def test_a_connection_that_is_refused_is_named(client: Client) -> None:
    """With the address."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    said = await failure(client, f"https://127.0.0.1:{port}")

    assert f"127.0.0.1:{port}" in said
    assert "refuses the connection" in said or "connection refused" in said


@every_client
async def test_a_name_that_is_not_found_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the resolver's own error; no test asks a resolver outside."""

    def lookup(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    said = await failure(client, "https://nowhere.test")

    assert "nowhere.test" in said
    assert "was not found" in said or "host not found" in said


@every_client
async def test_a_proxy_that_refuses_is_named(
    client: Client, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its status: 407 says that it wants a password."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://ann:hunter2@{network.proxy}")
    network.refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    said = await failure(client, f"https://{HOST}:{network.port}")

    assert f"the proxy {network.proxy} does not connect to" in said
    assert "(HTTP 407)" in said
    assert "hunter2" not in said


@every_client
async def test_a_proxy_that_is_not_there_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the service that is down."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        proxy = f"127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    said = await failure(client, f"https://{HOST}")

    assert f"the proxy {proxy} on the way to" in said
    assert "refuses the connection" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "socks5://p:1"),
        ("SSL_CERT_FILE", "/none.pem"),
        ("SSL_CERT_DIR", "/none"),
        ("NO_PROXY", "a/b"),
    ],
)
async def test_a_wrong_variable_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start, and not at the first request."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=name):
        open_client(timeout=5)


def test_nobody_else_makes_clients() -> None:
    """So no client of the product has a rule of its own."""
    makers = set()
    for path in ADAPTERS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "httpx.AsyncClient", "httpx.Client", "httpx.AsyncHTTPTransport", "httpx.HTTPTransport",
                "httpx.get", "httpx.post", "urlopen", "urllib.request.urlopen",
            ):  # fmt: skip
                makers.add(path.relative_to(ADAPTERS).parts[0])
    assert {"http"} >= makers
