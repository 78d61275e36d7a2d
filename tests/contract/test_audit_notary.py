"""Signed checkpoints: when they are made, where they go, and what they prove."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from adapters.checkpoints import (
    AuditKey,
    CheckpointSigner,
    NoCheckpoint,
    What,
    open_checkpoint_signer,
    read_checkpoint_log,
    read_checkpoints,
    read_or_make_key,
)
from bot.audit import GENESIS, Fact, Row, chained
from bot.errors import ConfigError, Unavailable
from bot.records import Alert
from tests.contract.values import NOW
from tests.fakes import Counting


class Raised:
    """The alerts that are open, by cause, with what they say."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}

    async def raise_(self, alert: Alert) -> bool:
        self.open[alert.cause] = alert.text
        return True

    async def resolve(self, approval_id: str, *, cause: str, how: str) -> None:
        assert ("audit", "every signed row is in the audit log again") == (approval_id, how)
        self.open.pop(cause, None)


class PolicyInForce:
    """A chain that grows by hand, with a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW
        self.rows: list[Row] = []

    def clock(self) -> datetime:
        return self.now

    def write(self, count: int) -> None:
        for _ in range(count):
            fact = Fact(kind="refused", at=self.now, body={})
            previous = self.rows[-1].hash if self.rows else GENESIS
            self.rows.append(chained(fact, number=len(self.rows) + 1, previous=previous))

    async def head(self) -> Row | None:
        return self.rows[-1] if self.rows else None

    async def row(self, number: int) -> Row | None:
        return next((row for row in self.rows if row.number == number), None)

    async def anchor(self) -> tuple[int, str] | None:
        return None

    async def note(self, fact: Fact) -> None:
        raise NotImplementedError


@pytest.fixture
def policy_in_force() -> PolicyInForce:
    """A chain without rows."""
    return PolicyInForce()


@pytest.fixture
def counted() -> list[str]:
    """What the notary counted."""
    return []


@asynccontextmanager
async def checkpoint_signer_of(
    policy_in_force: PolicyInForce,
    folder: Path,
    counted: list[str],
    webhook: str | None = None,
    alerts: Raised | None = None,
) -> AsyncIterator[CheckpointSigner]:
    """A notary over this chain."""
    async with open_checkpoint_signer(
        chain=policy_in_force,
        alerts=alerts or Raised(),
        key_path=folder / "audit.key",
        checkpoint_log=await read_checkpoint_log(folder / "checkpoints"),
        webhook=webhook,
        clock=policy_in_force.clock,
        metrics=Counting(counted.append),
    ) as opened:
        yield opened


def numbers(folder: Path) -> list[int]:
    """The rows that checkpoints were signed for."""
    lines = read_checkpoints(folder / "checkpoints")
    return [one.number for one in lines if one.number and one.what is not What.RETIREMENT]


async def test_a_checkpoint_after_a_hundred_rows_or_five_minutes(
    policy_in_force: PolicyInForce, tmp_path: Path, counted: list[str]
) -> None:
    """Whichever comes first; none without a new row."""
    async with checkpoint_signer_of(policy_in_force, tmp_path, counted) as signer:
        await signer.round()
        assert [] == counted
        policy_in_force.write(1)
        await signer.round()
        policy_in_force.write(99)
        await signer.round()
        assert [1] == numbers(tmp_path)
        policy_in_force.write(1)
        await signer.round()
        assert [1, 101] == numbers(tmp_path)
        policy_in_force.now += timedelta(minutes=5)
        await signer.round()
        policy_in_force.write(1)
        policy_in_force.now -= timedelta(milliseconds=1)
        await signer.round()
        assert [1, 101] == numbers(tmp_path)
        policy_in_force.now += timedelta(milliseconds=1)
        await signer.round()
    assert [1, 101, 102] == numbers(tmp_path)
    assert all(one.genuine for one in read_checkpoints(tmp_path / "checkpoints"))


async def test_a_notary_goes_on_where_the_last_one_ended(
    policy_in_force: PolicyInForce, tmp_path: Path, counted: list[str]
) -> None:
    """With the same key, from the last line; what a crash left of a line is no obstacle."""
    policy_in_force.write(5)
    async with checkpoint_signer_of(policy_in_force, tmp_path, counted) as signer:
        await signer.round()
    file = tmp_path / "checkpoints"
    file.write_bytes(file.read_bytes() + b'{"number": 7, "ha')
    async with checkpoint_signer_of(policy_in_force, tmp_path, counted) as signer:
        await signer.round()
        assert [5] == numbers(tmp_path)
        policy_in_force.write(100)
        await signer.round()
    assert [5, 105] == numbers(tmp_path)
    assert 1 == len({one.key for one in read_checkpoints(file)})
    assert 0o600 == file.stat().st_mode & 0o777


async def test_a_tail_that_was_signed_and_is_gone_is_not_covered_up(
    policy_in_force: PolicyInForce, tmp_path: Path, counted: list[str]
) -> None:
    """The notary signs no more when rows that it signed are missing or were rewritten, and alerts people.

    Nor when the chain has grown past them since; nor does it sign that anything may be removed.
    """
    alerts = Raised()
    policy_in_force.write(10)
    async with checkpoint_signer_of(policy_in_force, tmp_path, counted, alerts=alerts) as signer:
        await signer.round()
        signed = list(policy_in_force.rows)
        for gone, back in ((3, 0), (0, 3), (0, 200)):
            del policy_in_force.rows[len(policy_in_force.rows) - gone :]
            policy_in_force.now += timedelta(minutes=6)
            policy_in_force.write(back)
            await signer.round()
            assert ["audit-tail-missing"] == list(alerts.open)
            assert "Row 10 of the audit" in alerts.open["audit-tail-missing"]
            assert signer.missing is not None
            with pytest.raises(Unavailable):
                await signer.retire(policy_in_force.rows[0])
        assert ["checkpoint_written", *6 * ["audit_tail_missing"]] == counted
        policy_in_force.rows = signed
        policy_in_force.write(100)
        await signer.round()
        assert ({}, None) == (alerts.open, signer.missing)
    assert [10, 110] == numbers(tmp_path)


async def test_a_full_disk_is_tried_again(
    policy_in_force: PolicyInForce, tmp_path: Path, counted: list[str]
) -> None:
    """A checkpoint that could not be written is made in a later round."""
    policy_in_force.write(1)
    async with checkpoint_signer_of(policy_in_force, tmp_path, counted) as signer:
        (tmp_path / "checkpoints").mkdir()
        await signer.round()
        (tmp_path / "checkpoints").rmdir()
        await signer.round()
    assert ["checkpoint_not_written", "checkpoint_written"] == counted
    assert [1] == numbers(tmp_path)


@asynccontextmanager
async def hearing(answers: list[int]) -> AsyncIterator[tuple[str, list[object]]]:
    """A webhook that gives these answers in turn, and then 200."""
    heard: list[object] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append(await request.json())
        return web.Response(status=answers.pop(0) if answers else 200)

    app = web.Application()
    app.router.add_post("/hook", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", heard
    finally:
        await runner.cleanup()


async def test_the_webhook_hears_the_latest_until_it_listens(
    policy_in_force: PolicyInForce, tmp_path: Path, counted: list[str]
) -> None:
    """A refusal is tried again in the next round, with the latest one; what was heard is not repeated."""
    async with (
        hearing([503, 302]) as (address, heard),
        checkpoint_signer_of(policy_in_force, tmp_path, counted, address) as signer,
    ):
        policy_in_force.write(1)
        await signer.round()
        await signer.round()
        policy_in_force.write(100)
        await signer.round()
        await signer.round()
    assert [1, 1, 1, 101] == [line["number"] for line in heard]  # type: ignore[index]  # JSON objects
    assert 2 == counted.count("checkpoint_not_sent")
    lines = (tmp_path / "checkpoints").read_text().splitlines()
    assert json.loads(lines[-1]) == heard[-1]


async def test_a_webhook_that_is_away_costs_no_checkpoint(
    policy_in_force: PolicyInForce, tmp_path: Path, counted: list[str]
) -> None:
    """The file has it whether anybody listens or not."""
    async with hearing([]) as (address, _):
        pass
    async with checkpoint_signer_of(policy_in_force, tmp_path, counted, address) as signer:
        policy_in_force.write(1)
        await signer.round()
    assert [1] == numbers(tmp_path)
    assert ["checkpoint_written", "checkpoint_not_sent"] == counted


# --- the key ----------------------------------------------------------------------------------------------


async def test_a_key_is_made_once(tmp_path: Path) -> None:
    """The first use creates it, readable by our own user only; after that every process reads the same one."""
    path = tmp_path / "audit.key"
    made = await asyncio.gather(*(asyncio.to_thread(read_or_make_key, path) for _ in range(2)))
    assert {read_or_make_key(path).public} == {key.public for key in made}
    assert 0o600 == path.stat().st_mode & 0o777
    assert ["audit.key"] == [file.name for file in tmp_path.iterdir()]


@pytest.mark.parametrize("content", ["", "nonsense", "c2hvcnQ=", "é" * 44])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: str) -> None:
    """It is left unchanged, and its content is not shown."""
    path = tmp_path / "audit.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="contains no key") as refused:
        read_or_make_key(path)
    assert content == path.read_text()
    assert not content or content not in str(refused.value)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """Anyone who read it could have signed in Nod's name."""
    path = tmp_path / "audit.key"
    read_or_make_key(path)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="other users can read"):
        read_or_make_key(path)


def test_a_place_where_no_key_can_be_is_refused(tmp_path: Path) -> None:
    """The message names the file and what to do."""
    with pytest.raises(ConfigError, match=r"NOD_AUDIT_KEY: .*cannot be used"):
        read_or_make_key(tmp_path / "missing" / "audit.key")


def test_a_seed_makes_the_key_of_the_standard() -> None:
    """The first test vector of RFC 8032 §7.1: others can verify what Nod signs."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = AuditKey(seed)
    assert "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" == key.public
    expected = (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
        "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert expected == base64.b64decode(key.sign(b"")).hex()


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"number": 1}',
        '{"number": true, "hash": "", "at": "2026-03-01", "key": "", "signature": ""}',
        '{"number": 1, "hash": "", "at": "soon", "key": "", "signature": ""}',
        '{"number": 1, "hash": null, "at": "2026-03-01", "key": "", "signature": ""}',
    ],
)
def test_a_line_that_is_no_checkpoint_is_named(tmp_path: Path, line: str) -> None:
    """By its number in the file, and why."""
    path = tmp_path / "checkpoints"
    path.write_text(f"{line}\n")
    with pytest.raises(NoCheckpoint, match="line 1 of"):
        read_checkpoints(path)
