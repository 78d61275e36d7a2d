"""Pagers on the network over real HTTP: what they send, what an answer means to them, what stays secret."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from starlette.responses import RedirectResponse, Response

from adapters.http import retry_after
from adapters.pagers.services import open_pagers, signature_of
from bot.errors import ConfigError, Forbidden, NodError, Unavailable
from bot.ports import Pager
from bot.records import Alert
from tests.servers.pagers import (
    API_KEY,
    ROUTING_KEY,
    WEBHOOK_SECRET,
    FakeOpsgenie,
    FakePagerDuty,
    Receiver,
    faults_of_event,
    open_service,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ALERT = Alert(approval_id="r1", cause="undelivered", text="send_email: not told yet (503).", raised_at=NOW)
MENDED = replace(ALERT, resolved="It got through after all.")
LONG = replace(ALERT, approval_id="r/é" * 300, text="ü" * 20_000, resolved="m" * 30_000)
TOKEN = "T0kenInTheAddress"
KINDS: dict[str, type[FakePagerDuty | FakeOpsgenie | Receiver]] = {
    "webhook": Receiver,
    "pagerduty": FakePagerDuty,
    "opsgenie": FakeOpsgenie,
}


def utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def open_one(
    kind: str,
    address: str,
    *,
    limit: float = 5.0,
    clock: Callable[[], datetime] = utc_now,
    secret: str | None = WEBHOOK_SECRET,
) -> AsyncIterator[Pager]:
    """One pager on a service at this address."""
    values = {"webhook": f"{address}/hooks/{TOKEN}", "pagerduty": ROUTING_KEY, "opsgenie": API_KEY}
    async with open_pagers(
        [(kind, values[kind])] * 2,
        webhook_secret=secret,
        urls={"pagerduty": f"{address}/", "opsgenie": address},
        clock=clock,
        limit=limit,
    ) as pagers:
        (pager,) = pagers.values()
        assert list(pagers) == [pager.name]
        yield pager


async def page(pager: Pager, alert: Alert = ALERT, ref: str | None = None) -> str | None:
    return await pager.page(alert, ref=ref, attempted_at=None)


async def test_pagerduty_triggers_and_resolves_under_one_key() -> None:
    """An alert is an error event without arguments; what came right resolves the same one."""
    service = FakePagerDuty()
    async with open_service(service) as address, open_one("pagerduty", address) as pager:
        ref = await page(pager)
        assert {"nod/r1/undelivered"} == service.open
        assert ref == await page(pager, MENDED, ref)

    assert [("trigger", "nod/r1/undelivered"), ("resolve", "nod/r1/undelivered")] == service.told()
    assert set() == service.open
    assert {
        "summary": ALERT.text,
        "source": "nod",
        "severity": "error",
        "timestamp": NOW.isoformat(),
        "class": "undelivered",
        "custom_details": {"request_id": "r1", "cause": "undelivered"},
    } == service.events[0]["payload"]
    assert {"routing_key", "event_action", "dedup_key"} == service.events[1].keys()


async def test_pagerduty_hears_of_what_mended_before_it_was_told() -> None:
    """It is on record there, wakes nobody, and is resolved at once."""
    service = FakePagerDuty()
    async with open_service(service) as address, open_one("pagerduty", address) as pager:
        await page(pager, MENDED)

    assert ["trigger", "resolve"] == [action for action, _ in service.told()]
    assert "info" == service.events[0]["payload"]["severity"]
    assert MENDED.resolved == service.events[0]["payload"]["custom_details"]["mended"]
    assert set() == service.open


async def test_opsgenie_creates_and_closes_under_one_alias() -> None:
    """An alert is created with its alias; what came right closes it, and says how."""
    service = FakeOpsgenie()
    async with open_service(service) as address, open_one("opsgenie", address) as pager:
        ref = await page(pager)
        assert {"nod:r1:undelivered"} == service.open
        assert ref == await page(pager, MENDED, ref)

    (created,) = service.created
    assert {
        "alias": "nod:r1:undelivered",
        "message": ALERT.text,
        "description": ALERT.text,
        "priority": "P2",
        "source": "nod",
        "details": {"request_id": "r1", "cause": "undelivered"},
    } == created
    assert [("nod:r1:undelivered", {"source": "nod", "note": MENDED.resolved})] == service.closed
    assert set() == service.open


async def test_opsgenie_hears_of_what_mended_before_it_was_told() -> None:
    """It is on record there, with the lowest priority, and is resolved at once."""
    service = FakeOpsgenie()
    async with open_service(service) as address, open_one("opsgenie", address) as pager:
        await page(pager, MENDED)

    assert ["P5"] == [created["priority"] for created in service.created]
    assert set() == service.open


async def test_a_webhook_is_told_all_of_it_signed() -> None:
    """A receiver that verifies as documented accepts it, and has the alert's key to tell repeats by."""
    service = Receiver()
    async with open_service(service) as address, open_one("webhook", address) as pager:
        ref = await page(pager)
        assert ref == await page(pager, MENDED, ref)

    alert = {
        "event": "alert",
        "key": "nod/r1/undelivered",
        "request_id": "r1",
        "cause": "undelivered",
        "text": ALERT.text,
        "raised_at": NOW.isoformat(),
        "link": None,
        "mended": None,
    }
    assert [alert, alert | {"event": "mended", "mended": MENDED.resolved}] == service.bodies
    assert {"application/json"} == {headers["content-type"] for headers in service.headers}


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_a_link_to_the_card_comes_along(kind: str) -> None:
    """A person who is woken reaches the card with one press, where the service shows a link."""
    service = KINDS[kind]()
    link = "https://acme.slack.com/archives/C0FINANCE/p1767323045000100"
    async with open_service(service) as address, open_one(kind, address) as pager:
        await page(pager, replace(ALERT, link=link))

    match service:
        case FakePagerDuty():
            assert [{"href": link, "text": "Open card"}] == service.events[0]["links"]
        case FakeOpsgenie():
            assert f"{ALERT.text}\n\nOpen card: {link}" == service.created[0]["description"]
            assert link == service.created[0]["details"]["card"]
        case Receiver():
            assert link == service.bodies[0]["link"]


async def test_a_webhook_that_had_no_alert_is_told_with_the_mending() -> None:
    """One body has both: nothing is lost, and nobody is alarmed about what is resolved."""
    service = Receiver()
    async with open_service(service) as address, open_one("webhook", address) as pager:
        await page(pager, MENDED)

    assert [("mended", ALERT.text, MENDED.resolved)] == [
        (body["event"], body["text"], body["mended"]) for body in service.bodies
    ]


async def test_a_receiver_refuses_an_old_or_a_forged_body() -> None:
    """The signature covers the time, and another secret gives another one."""
    old = utc_now() - timedelta(minutes=10)
    service = Receiver()
    async with open_service(service) as address:
        async with open_one("webhook", address, clock=lambda: old) as pager:
            with pytest.raises(Forbidden, match="answered 401"):
                await page(pager)
        async with open_one("webhook", address, secret="0" * 32) as pager:
            with pytest.raises(Forbidden, match="answered 401"):
                await page(pager)

    assert [] == service.bodies


def test_the_signature_is_the_documented_one() -> None:
    """A fixed example that receivers in other languages can test with (docs/operations.md)."""
    signature = signature_of(b'{"event":"alert"}', timestamp="1767323045", secret=WEBHOOK_SECRET)

    assert "v1=b98772c90722cb4ebf96e1c141fdeffbb72f70ff4b194f3e36c0cf49e1f24adf" == signature


@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_is_long_or_odd_is_still_taken(kind: str) -> None:
    """Texts, ids and reasons beyond every limit arrive cut, under one key, and are mended by it."""
    service = KINDS[kind]()
    async with open_service(service) as address, open_one(kind, address) as pager:
        ref = await page(pager, replace(LONG, resolved=None))
        assert ref == await page(pager, LONG, ref)
        assert ref == await page(pager, LONG)
        other = await page(pager, replace(LONG, approval_id="r/é" * 301))

    assert ref != other


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("answer", "error", "wait"),
    [
        (Response(status_code=429, headers={"Retry-After": "7"}), Unavailable, 7.0),
        (Response(status_code=429, headers={"Retry-After": "soon"}), Unavailable, None),
        (Response(status_code=429), Unavailable, None),
        (Response(status_code=500), Unavailable, None),
        (Response(status_code=503, headers={"Retry-After": "7"}), Unavailable, None),
        (RedirectResponse("/v2/elsewhere", 307), Unavailable, None),
        (Response(ROUTING_KEY + API_KEY, 400), Forbidden, None),
        (Response(status_code=401), Forbidden, None),
        (Response(status_code=404), Forbidden, None),
        (Response(status_code=422), Forbidden, None),
    ],
    ids=lambda value: str(value.status_code) if isinstance(value, Response) else "",
)
async def test_every_other_answer_means_later_or_no(
    kind: str, answer: Response, error: type[NodError], wait: float | None
) -> None:
    """Nothing but a 2xx counts as taken; the next try succeeds."""
    service = KINDS[kind]()
    service.answers = [answer]
    async with open_service(service) as address, open_one(kind, address) as pager:
        with pytest.raises(error, match=str(answer.status_code)) as caught:
            await page(pager)
        assert wait == getattr(caught.value, "retry_after", None)
        assert 1 == service.tries  # a redirect is not followed
        assert await page(pager) is not None


@pytest.mark.parametrize("kind", ["pagerduty", "opsgenie"])
async def test_a_page_of_something_in_between_is_no_service(kind: str) -> None:
    """A login page with 200 is not PagerDuty's or Opsgenie's 202."""
    service = KINDS[kind]()
    service.answers = [Response("<html>Sign in</html>", 200)]
    async with open_service(service) as address, open_one(kind, address) as pager:
        with pytest.raises(Unavailable, match="answered 200"):
            await page(pager)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_service_that_hangs_is_left_after_the_limit(kind: str) -> None:
    """The whole POST has its seconds, and no more."""
    service = KINDS[kind]()
    service.hangs = True
    async with open_service(service) as address, open_one(kind, address, limit=0.2) as pager:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="did not answer"):
            await page(pager)

    assert time.monotonic() - began < 3


@pytest.mark.parametrize("kind", KINDS)
async def test_no_error_and_no_name_holds_a_secret(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither keys nor addresses are in what is logged and stored: host and port say what was not reached."""
    async with open_service(KINDS[kind]()) as address:
        pass  # nobody listens there any more
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    async with open_one(kind, address) as pager:
        with pytest.raises(Unavailable) as caught:
            await page(pager)

    told = f"{caught.value!r} {caught.value.__cause__!r} {pager.name}"
    assert "refuses the connection" in told
    for secret in (ROUTING_KEY, API_KEY, WEBHOOK_SECRET, TOKEN, address):
        assert secret not in told
    assert kind == pager.name.split(":")[0]
    assert 8 == len(pager.name.split(":")[1])


async def test_an_address_that_nobody_can_use_is_no_crash() -> None:
    """It is a refusal, and the other pagers go on."""
    async with open_one("pagerduty", f"http://{'a' * 70}.example") as pager:
        with pytest.raises((Forbidden, Unavailable)):
            await page(pager)


async def test_a_webhook_needs_its_secret() -> None:
    """Without one everybody could send alerts in Nod's name."""
    with pytest.raises(ConfigError, match="NOD_WEBHOOK_SECRET"):
        async with open_one("webhook", "http://127.0.0.1:9", secret=None):
            pass


async def test_a_kind_that_there_is_not_is_refused() -> None:
    """What the settings do not know cannot be opened."""
    named: list[Any] = [("pigeon", "coop")]
    with pytest.raises(ConfigError, match="pigeon is not a pager"):
        async with open_pagers(named, webhook_secret=None, urls={}, clock=utc_now):
            pass


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("0", 1.0),
        ("30", 30.0),
        ("9" * 400, 300.0),
        (format_datetime(NOW + timedelta(seconds=40), usegmt=True), 40.0),
        ("Fri, 02 Jan 2026 03:04:45 -0000", 40.0),
    ],
)
def test_a_wait_is_kept_within_bounds(value: str | None, seconds: float | None) -> None:
    """A service may ask for a pause, and not for an end."""
    assert seconds == retry_after(value, NOW)


def test_the_fakes_refuse_what_the_services_refuse() -> None:
    """A fake that takes anything would prove nothing."""
    payload = {"summary": "s" * 1025, "source": "", "severity": "bad", "timestamp": NOW.isoformat(), "x": 1}
    event = {"routing_key": "short", "event_action": "page", "payload": payload, "y": 1}
    assert 5 == len(faults_of_event(event))
    assert 8 == len(faults_of_event({**event, "event_action": "trigger"}))
