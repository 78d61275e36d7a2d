"""The keys of Teams: found, renewed, and never waited for by anybody who does not need them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.http import LARGEST
from adapters.teams.keys import AGAIN, DAY, ONCE_IN, KeyRing
from sandbox.teams.identity import Trouble
from sandbox.teams.keys import Key, new_key
from tests.contract.teams_rig import open_rig
from tests.servers.teams import TeamsServer, serve_teams


@dataclass(slots=True)
class Wall:
    """Seconds that a test moves."""

    now: float = 1_000.0

    def __call__(self) -> float:
        """What the clock says."""
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRig:
    """A ring, the service that it reads, and its clock."""

    ring: KeyRing
    served: TeamsServer
    wall: Wall

    @property
    def asked(self) -> int:
        """How often the document was asked for."""
        return self.served.teams.identity.metadata_calls


@asynccontextmanager
async def open_key_rig(
    url: Callable[[TeamsServer], str] = lambda s: s.teams.openid_url,
) -> AsyncIterator[KeyRig]:
    """A ring that has read nothing yet."""
    wall = Wall()
    async with serve_teams() as served, httpx.AsyncClient(trust_env=False) as client:
        ring = KeyRing(client=client, openid_url=url(served), seconds=wall)
        yield KeyRig(ring=ring, served=served, wall=wall)
        await ring.close()


@pytest.fixture
async def key_rig() -> AsyncIterator[KeyRig]:
    """A ring in front of the local Teams."""
    async with open_key_rig() as opened:
        yield opened


async def test_a_key_is_read_once(key_rig: KeyRig) -> None:
    """Every click after the first finds the key in memory, with what it may sign for."""
    kid = key_rig.served.teams.ring.signing.kid
    first = await key_rig.ring.key(kid)
    assert first is not None
    assert {"msteams"} == first.endorsements
    assert first is await key_rig.ring.key(kid)
    assert 1 == key_rig.asked


async def test_a_rotation_is_noticed_at_the_first_click(key_rig: KeyRig) -> None:
    """An id that is not known makes us look, and the click is checked with what was found."""
    await key_rig.ring.key(key_rig.served.teams.ring.signing.kid)
    fresh = key_rig.served.teams.ring.rotate()
    assert await key_rig.ring.key(fresh.kid) is not None


async def test_invented_ids_make_us_ask_once_a_minute(key_rig: KeyRig) -> None:
    """Nobody can make Nod ask for keys more often than that; after the minute it looks again."""
    await key_rig.ring.key(key_rig.served.teams.ring.signing.kid)
    for number in range(20):
        assert await key_rig.ring.key(f"invented-{number}") is None
    assert 2 >= key_rig.asked
    key_rig.wall.now += ONCE_IN - 1
    assert await key_rig.ring.key("invented") is None
    asked = key_rig.asked
    key_rig.wall.now += 1
    assert await key_rig.ring.key("invented") is None
    assert asked + 1 == key_rig.asked


async def test_a_withdrawn_key_goes_within_a_day(key_rig: KeyRig) -> None:
    """Keys are read again each day even if none is missing, and nobody waits for that."""
    old = key_rig.served.teams.ring.signing.kid
    await key_rig.ring.key(old)
    key_rig.served.teams.ring.rotate()
    key_rig.wall.now += DAY
    assert await key_rig.ring.key(old) is not None
    async with asyncio.timeout(5):
        while await key_rig.ring.key(old) is not None:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("trouble", [Trouble.BROKEN, Trouble.GARBAGE, Trouble.HUGE])
async def test_what_cannot_be_read_leaves_the_keys_that_are_there(key_rig: KeyRig, trouble: Trouble) -> None:
    """An endpoint in trouble costs no key, and is asked again before long."""
    known = key_rig.served.teams.ring.signing.kid
    await key_rig.ring.key(known)
    key_rig.served.teams.identity.trouble = trouble
    fresh = key_rig.served.teams.ring.rotate(keep=True)
    assert await key_rig.ring.key(fresh.kid) is None
    assert await key_rig.ring.key(known) is not None
    key_rig.served.teams.identity.trouble = Trouble.NONE
    key_rig.wall.now += AGAIN
    assert await key_rig.ring.key(fresh.kid) is not None


async def test_keys_on_another_host_are_not_fetched() -> None:
    """The document may not send us elsewhere for its keys."""
    async with open_key_rig(
        lambda served: served.teams.openid_url.replace("127.0.0.1", "localhost")
    ) as key_rig:
        assert await key_rig.ring.key(key_rig.served.teams.ring.signing.kid) is None
        assert 0 == key_rig.served.teams.identity.key_calls
        assert 1 == key_rig.asked


async def test_a_short_key_is_none(key_rig: KeyRig) -> None:
    """A breakable key is refused, whichever publisher it comes from; so is what is no key at all."""
    weak = Key(kid="weak", private=rsa.generate_private_key(public_exponent=65537, key_size=1024))
    good = key_rig.served.teams.ring.signing.jwk()
    key_rig.served.faults.add(path="*/keys", status=200, body={"keys": [weak.jwk(), good, "x", {"kid": 7}]})
    assert await key_rig.ring.key("weak") is None
    assert await key_rig.ring.key(good["kid"]) is not None


async def test_an_endless_document_is_not_read(key_rig: KeyRig) -> None:
    """Good keys behind more than half a megabyte of anything are not looked for."""
    good = key_rig.served.teams.ring.signing.jwk()
    key_rig.served.faults.add(path="*/keys", status=200, body={"pad": "x" * LARGEST, "keys": [good]})
    assert await key_rig.ring.key(good["kid"]) is None


async def test_a_hanging_endpoint_stops_nobody_with_a_known_key() -> None:
    """While an unknown id is looked up in vain, other clicks are answered, and the event loop is free."""
    async with open_rig() as rig:
        message = await rig.card_up()
        assert (await rig.press("why", person="bob", message=message)).ok
        rig.system.identity.trouble = Trouble.HANG
        stranger = new_key("stranger-2")
        activity = dict(rig.system.delivery.sent[-1].activity) | {"id": "f:other"}
        token = rig.system.forger.signed(activity, key=stranger)
        hanging = asyncio.create_task(rig.system.send_raw(activity, token))
        await asyncio.sleep(0.1)
        # Others share this machine: the event loop is free if it was in one of three looks.
        lag = min([await _lag(0.15) for _ in range(3)])
        began = time.monotonic()
        assert (await rig.press("approve", message=message)).ok
        assert time.monotonic() - began < 1
        assert not hanging.done()
        assert lag < 0.05
        assert 401 == (await hanging).status
        assert 1 == len(rig.desk.taken)


async def test_a_click_after_a_rotation_is_answered_at_once() -> None:
    """Teams signs with a new key: the first click is accepted, within the five seconds that it has."""
    async with open_rig() as rig:
        message = await rig.card_up()
        assert (await rig.press("why", person="bob", message=message)).ok
        rig.system.ring.rotate()
        result = await rig.press("approve", message=message)
        assert result.ok
        assert result.took < 5


async def _lag(seconds: float) -> float:
    """The longest time that the event loop was blocked, in seconds."""
    worst, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        await asyncio.sleep(0.005)
        worst = max(worst, time.monotonic() - began - 0.005)
    return worst
