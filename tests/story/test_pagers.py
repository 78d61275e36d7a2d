"""A decision that does not get through wakes people by other ways than Slack, and lets them sleep again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.app import open_nod
from adapters.settings import Environment
from bot.errors import ConfigError
from sandbox.servers import open_sandbox
from tests.servers.pagers import (
    API_KEY,
    ROUTING_KEY,
    WEBHOOK_SECRET,
    FakeOpsgenie,
    FakePagerDuty,
    Receiver,
    open_service,
)
from tests.servers.system import ANN, POLICY, environment, open_system, until

DECISION: dict[str, Any] = {"method": "POST", "path": "/agents/hitl/decision"}
SLACK_ONLY = "alerts: [slack:C0ALERTS]"
PAGERDUTY = POLICY.replace(SLACK_ONLY, 'alerts: [slack:C0ALERTS, "pagerduty:${PAGERDUTY_ROUTING_KEY}"]')


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the operator has set."""
    monkeypatch.setenv("PAGERDUTY_ROUTING_KEY", ROUTING_KEY)
    monkeypatch.setenv("OPSGENIE_API_KEY", API_KEY)


async def test_a_refused_decision_triggers_and_its_delivery_resolves(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One incident, resolved under the key that opened it; its key is in no log, no row and no message."""
    service = FakePagerDuty()
    async with (
        open_service(service) as url,
        open_system(tmp_path, policy=PAGERDUTY, NOD_PAGERDUTY_URL=url) as system,
    ):
        system.sandbox.faults.add(**DECISION, times=1, status=403)
        request_id = system.ask(timeout_seconds=60)

        await system.press(ANN, await system.shown(), "approve")

        await until(lambda: len(service.events) == 2, within=20, what="trigger and resolve")
        await until(lambda: "Resolved: " in str(system.alerts()), what="Slack to be told as well")
        kept = str(system.audit())
        sent = str([call.args for call in system.sandbox.workspace.calls])
    key = f"nod/{request_id}/undelivered"
    assert [("trigger", key), ("resolve", key)] == service.told()
    assert "jane@example.com" not in str(service.events)
    assert "pagerduty:" in kept
    said = "".join(capfd.readouterr())
    assert "alert_paged" in said
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("nod.db*"))
    for place in (kept, sent, said, stored.decode("latin-1")):
        assert ROUTING_KEY not in place


async def test_a_service_that_is_down_is_told_once_it_is_up(tmp_path: Path) -> None:
    """Tried again until it takes the alert, then never again: one trigger, and one resolve at the end."""
    service = FakePagerDuty()
    service.down = True
    async with (
        open_service(service) as url,
        open_system(tmp_path, policy=PAGERDUTY, NOD_PAGERDUTY_URL=url) as system,
    ):
        system.sandbox.faults.add(**DECISION, status=503)
        request_id = system.ask(timeout_seconds=60)
        await system.press(ANN, await system.shown(), "approve")
        await until(lambda: len(system.alerts()) == 1, within=15, what="Slack, which is up, to be told")
        await until(lambda: service.tries >= 2, within=15, what="a second try")
        assert [] == service.events

        service.down = False
        key = f"nod/{request_id}/undelivered"
        await until(lambda: {key} == service.open, within=15, what="the trigger")
        await asyncio.sleep(2.5)  # as long as a further try would take
        assert [("trigger", key)] == service.told()

        system.sandbox.faults.replace([])
        await until(lambda: len(service.events) == 2, within=20, what="the resolve")
        assert ("resolve", key) == service.told()[1]
        assert set() == service.open


async def test_every_pager_is_told_and_one_that_fails_harms_no_other(tmp_path: Path) -> None:
    """PagerDuty says no for good; webhook and Opsgenie get the alert and its end all the same."""
    pagerduty, opsgenie, receiver = FakePagerDuty(), FakeOpsgenie(), Receiver()
    async with (
        open_service(pagerduty) as pagerduty_url,
        open_service(opsgenie) as opsgenie_url,
        open_service(receiver) as receiver_url,
    ):
        entries = f'"opsgenie:${{OPSGENIE_API_KEY}}", "webhook:{receiver_url}/hooks/x"]'
        policy = PAGERDUTY.replace('ROUTING_KEY}"]', f'ROUTING_KEY}}", {entries}')
        settings = {
            "NOD_PAGERDUTY_URL": f"{pagerduty_url}/wrong",
            "NOD_OPSGENIE_URL": opsgenie_url,
            "NOD_WEBHOOK_SECRET": WEBHOOK_SECRET,
        }
        async with open_system(tmp_path, policy=policy, **settings) as system:
            system.sandbox.faults.add(**DECISION, times=1, status=403)
            request_id = system.ask(timeout_seconds=60)
            await system.press(ANN, await system.shown(), "approve")

            alias = f"nod:{request_id}:undelivered"
            await until(lambda: [alias] == [a for a, _ in opsgenie.closed], within=20, what="the close")
            await until(lambda: len(receiver.bodies) == 2, within=20, what="the webhook")

    assert [alias] == [created["alias"] for created in opsgenie.created]
    assert ["alert", "mended"] == [body["event"] for body in receiver.bodies]
    assert {f"nod/{request_id}/undelivered"} == {body["key"] for body in receiver.bodies}
    assert [] == pagerduty.events


async def test_a_webhook_without_its_secret_stops_the_start(tmp_path: Path) -> None:
    """Found at the start, not when the first alert is due."""
    policy = POLICY.replace(SLACK_ONLY, 'alerts: ["webhook:https://acme.example/x"]')
    async with open_sandbox() as sandbox:
        settings = Environment.model_validate(environment(sandbox, tmp_path, policy=policy))
        with pytest.raises(ConfigError, match="NOD_WEBHOOK_SECRET"):
            async with open_nod(settings):
                pass
