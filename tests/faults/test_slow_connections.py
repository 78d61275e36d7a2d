"""Clients that connect and are slow, more of them than the bot has descriptors: everybody else is served."""

from __future__ import annotations

import resource
import time
import uuid
from pathlib import Path

import httpx
import pytest

from sandbox.servers import open_sandbox
from tests.faults.child import open_child
from tests.faults.launcher import DESCRIPTORS, said_in
from tests.servers.rude import KINDS, holding
from tests.servers.system import ANN, POLICY, System, until

#: More than the slow connections, the sandbox's and pytest's.
NEEDED = 4_096


def the_test_has_descriptors() -> bool:
    """Those of the slow clients are this process's own."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = NEEDED if hard == resource.RLIM_INFINITY else min(NEEDED, hard)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted == NEEDED


@pytest.mark.parametrize(
    ("many", "descriptors", "kinds"),
    [
        (300, 256, tuple(KINDS)),
        pytest.param(1_500, 1_024, ("head",), marks=pytest.mark.slow),
        pytest.param(1_500, 1_024, tuple(KINDS), marks=pytest.mark.slow),
    ],
    ids=["some of each", "1500 heads", "1500 of all kinds"],
)
async def test_slow_connections_stop_nobody(
    many: int, descriptors: int, kinds: tuple[str, ...], tmp_path: Path
) -> None:
    """Cards go up, clicks count and `/healthz` answers, for longer than any slow client is waited for."""
    if not the_test_has_descriptors():
        pytest.skip("this machine's hard limit of descriptors is too low for the slow clients")
    async with open_sandbox(post_burst=None) as sandbox:
        system = System(sandbox=sandbox, folder=tmp_path)
        async with open_child(
            system, tmp_path, policy=f"{POLICY}flood: 1000\n", **{DESCRIPTORS: str(descriptors)}
        ) as child:
            assert child.address is not None
            async with holding(child.address, many, kinds=kinds):
                end = time.monotonic() + 8
                served = 0
                while time.monotonic() < end:
                    await serve_one(system, child.address)
                    served += 1
            said = said_in(child.log)
            await child.stop()
    print(f"{served} requests answered beside {many} slow connections")
    assert "connections_full" in said
    assert "Too many open files" not in said
    assert "round_failed" not in said


async def serve_one(system: System, address: str) -> None:
    """An agent asks, the card goes up, Ann approves, the platform hears it; the bot says that it is well."""
    mark = f"order-{uuid.uuid4().hex[:8]}@"
    request_id = system.ask(arguments={"to": mark})
    await until(lambda: system.card(mark) is not None, within=30, what="a card")
    card = system.card(mark)
    assert card is not None
    pressed = await system.press(ANN, card, "approve")
    for _ in range(3):  # a machine with other work may be late for Slack's three seconds; people press again
        pressed = pressed if pressed.ok else await system.press(ANN, card, "approve")
    assert pressed.ok, pressed
    await until(lambda: system.effects(request_id) == ["approved"], within=30, what="the decision")
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        assert 200 == (await client.get(f"{address}/healthz")).status_code
