"""The whole life once more, with PostgreSQL under it: only the address of the database changes."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from tests.servers.system import ANN, BOB, POLICY, open_system, said, until


async def test_a_life_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    """Card, refusal of a second answer, decision, delivery and the final card, from one setting."""
    async with open_system(tmp_path, NOD_DATABASE_URL=postgres_url) as system:
        request_id = system.ask(timeout_seconds=60)
        card = await system.shown()

        assert (await system.press(ANN, card, "approve")).ok
        await system.press(BOB, card, "skip", version=0)

        done = await system.says(card, "Approved: send_email")
        assert "by Ann Albers" in said(done)
        await system.whispered(BOB, "Ann Albers approved it")
        assert ["approved"] == system.effects(request_id)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["SHARE", "ACCESS EXCLUSIVE"])
async def test_a_lock_of_another_session_is_one_alert(tmp_path: Path, postgres_url: str, mode: str) -> None:
    """Twenty seconds, with approvals under way: it is the database's trouble, and no decision is called late.

    It is told past the database, and once more by it when it works again.
    """
    async with open_system(tmp_path, NOD_DATABASE_URL=postgres_url, policy=f"flood: 100\n{POLICY}") as system:
        asked = [system.ask(timeout_seconds=120) for _ in range(4)]
        await system.shown(count=4, within=30)
        system.sandbox.faults.add(method="POST", path="/agents/hitl/decision", times=12, delay=1)
        for card in system.cards()[:3]:
            assert (await system.press(ANN, card, "approve")).ok
        with psycopg.connect(postgres_url) as other:
            other.execute(f"LOCK TABLE approvals IN {mode} MODE")
            await asyncio.sleep(20)
        await until(lambda: sum(bool(system.effects(one)) for one in asked) == 3, within=30, what="decisions")
        await until(lambda: "the database works again" in str(system.alerts()), within=30, what="the end of it")
        alerts = system.alerts()
        assert len(alerts) <= 2, alerts
        assert all("The database cannot be used" in alert for alert in alerts)
