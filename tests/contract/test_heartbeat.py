"""The sign of life to a dead man's switch, over real HTTP: a 2xx in time counts, and nothing else does."""

from __future__ import annotations

import socket

import pytest
from starlette.responses import RedirectResponse, Response

from adapters.watch import open_heartbeat
from tests.fakes import Counting
from tests.servers.heartbeat import CHECK, DeadMansSwitch, open_dribble, open_switch


class Counts:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __call__(self, event: str) -> None:
        self.events.append(event)


async def beat(url: str, counts: Counts, *, limit: float = 5.0) -> bool:
    async with open_heartbeat(url, metrics=Counting(counts), limit=limit) as heartbeat:
        assert heartbeat is not None
        return await heartbeat.beat()


async def test_each_beat_is_one_ping() -> None:
    """The switch hears every beat, once."""
    switch, counts = DeadMansSwitch(), Counts()
    async with open_switch(switch) as url, open_heartbeat(url, metrics=Counting(counts)) as heartbeat:
        assert heartbeat is not None
        assert [True, True] == [await heartbeat.beat(), await heartbeat.beat()]
    assert (2, 2, []) == (switch.pings, switch.tries, counts.events)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Response(status_code=500), "it answered 500"),
        (Response(status_code=404), "it answered 404"),
        (RedirectResponse(f"/{CHECK}"), "it answered 307"),
    ],
    ids=["500", "404", "redirect"],
)
async def test_any_other_answer_is_a_failure(
    answer: Response, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is logged without the address, and counted; a redirect is not followed; the next beat counts."""
    switch, counts = DeadMansSwitch(), Counts()
    switch.answers = [answer]
    async with open_switch(switch) as url:
        assert not await beat(url, counts)
        assert (0, 1, ["heartbeat_failed"]) == (switch.pings, switch.tries, counts.events)
        said = "".join(capfd.readouterr())
        assert "heartbeat_failed" in said
        assert reason in said
        assert CHECK not in said
        assert await beat(url, counts)


async def test_a_switch_that_hangs_is_left_in_time(capfd: pytest.CaptureFixture[str]) -> None:
    """The task that sends the heartbeat has other work to do."""
    switch, counts = DeadMansSwitch(), Counts()
    switch.hangs = True
    async with open_switch(switch) as url:
        assert not await beat(url, counts, limit=0.1)
    assert ["heartbeat_failed"] == counts.events
    assert "it did not answer" in "".join(capfd.readouterr())


async def test_the_limit_is_for_the_whole_beat() -> None:
    """A switch that answers byte by byte is no longer waited for than one that says nothing."""
    counts = Counts()
    async with open_dribble() as url:
        assert not await beat(url, counts, limit=0.3)
    assert ["heartbeat_failed"] == counts.events


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{closed}/", "http://[::1", "http://\udcff/", "http://x/\udcff", "nowhere"]
)
async def test_an_address_that_leads_nowhere_is_a_failure(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    """No address, however broken, raises."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    counts = Counts()
    assert not await beat(url.format(closed=closed), counts)
    assert ["heartbeat_failed"] == counts.events
    assert "heartbeat_failed" in "".join(capfd.readouterr())


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch hears from the machine itself, whatever its variables are for."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    switch, counts = DeadMansSwitch(), Counts()
    async with open_switch(switch) as url:
        assert await beat(url, counts)
    assert 1 == switch.pings


async def test_without_an_address_there_is_none() -> None:
    """The switch is the operator's choice."""
    async with open_heartbeat(None, metrics=Counting(Counts())) as heartbeat:
        assert heartbeat is None
