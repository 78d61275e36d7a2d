"""`nod audit`: what an outsider learns about the chain, and what an auditor is given."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters.checkpoints import open_checkpoint_signer, read_checkpoint_log, read_or_make_key
from adapters.cli.audit import examine, key, verify
from adapters.cli.audit_export import Filter, export
from adapters.cli.commands import app
from adapters.store.audit import open_audit_reader
from adapters.store.open import SqlStore, open_store
from bot.approval import Outcome, Stage
from bot.errors import ConfigError
from bot.ports import NO_METRICS
from bot.protocol import HITLDecision
from bot.records import NewApproval
from bot.redaction import Redaction
from bot.store import Store
from tests.contract.conftest import Eyes
from tests.contract.values import (
    DEADLINE,
    LEASE,
    NOW,
    a_deadline,
    a_request,
    a_rules_vote,
    a_vote,
    admit,
    after,
    an_approval,
    bring_to,
    claim,
    decide,
    revise,
    settle,
)

Out = pytest.CaptureFixture[str]


@pytest.fixture
def tamper(eyes: Eyes, url: str) -> Eyes:
    """Changes the tables as the owner of the database could: past the triggers."""

    def change(statement: str) -> list[tuple[Any, ...]]:
        if url.startswith("sqlite"):
            for (name,) in eyes("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
                eyes(f"DROP TRIGGER {name}")
            return eyes(statement)
        return eyes(f"SET session_replication_role = replica; {statement}")

    return change


async def checkpointed(store: SqlStore, folder: Path) -> Path:
    """A file with a checkpoint of the chain as it is."""
    async with open_checkpoint_signer(
        chain=store.journal,
        alerts=store.alerts,
        key_path=folder / "audit.key",
        checkpoint_log=await read_checkpoint_log(folder / "checkpoints"),
        webhook=None,
        clock=lambda: NOW,
        metrics=NO_METRICS,
    ) as signer:
        await signer.round()
    return folder / "checkpoints"


# --- verify -----------------------------------------------------------------------------------------------


async def test_an_honest_chain_is_verified_while_the_bot_runs(
    store: SqlStore, url: str, tmp_path: Path, capsys: Out
) -> None:
    """With what it takes to be sure named, and nothing more once it is given."""
    await bring_to(store, Stage.CLOSED)
    assert 0 == await verify(url)
    told = capsys.readouterr().out.splitlines()
    assert "✓ 5 rows are valid (1 to 5)" == told[0]
    assert "--checkpoints" in told[1]
    file = await checkpointed(store, tmp_path)
    assert 0 == await verify(url, checkpoints=file)
    assert "Without --key" in capsys.readouterr().out
    public = read_or_make_key(tmp_path / "audit.key").public
    assert 0 == await verify(url, checkpoints=file, keys=[public])
    assert "  1 checkpoint matches these rows." == capsys.readouterr().out.splitlines()[1]


async def test_a_chain_without_rows_holds(store: Store, url: str, capsys: Out) -> None:
    """There is nothing that could be wrong yet."""
    assert 0 == await verify(url)
    assert "✓ 0 rows are valid" == capsys.readouterr().out.splitlines()[0]


EDITS = [
    ("UPDATE audit SET body = '{}' WHERE number = 3", "✗ row 3: its content does not match its hash"),
    ("UPDATE audit SET at_ms = at_ms + 1 WHERE number = 1", "✗ row 1: its content does not match its hash"),
    ("DELETE FROM audit WHERE number = 2", "✗ row 2: the row in this place has the number 3"),
    ("DELETE FROM audit WHERE number <= 2", "✗ row 1: the row in this place has the number 3"),
    ("UPDATE audit SET previous = hash WHERE number = 4", "✗ row 4: it does not follow the row before it"),
    (
        "INSERT INTO audit SELECT 0, at_ms, kind, approval_id, body, previous, hash FROM audit LIMIT 1",
        "✗ row 1: the row in this place has the number 0",
    ),
]


@pytest.mark.parametrize(("edit", "expected"), EDITS)
async def test_the_first_bad_row_is_named(
    store: Store, url: str, tamper: Eyes, capsys: Out, edit: str, expected: str
) -> None:
    """With its number and why, and the command fails."""
    await bring_to(store, Stage.CLOSED)
    tamper(edit)
    assert 1 == await verify(url)
    assert expected == capsys.readouterr().out.strip()


async def test_content_of_a_kind_that_nod_never_writes_is_found(
    sqlite_url: str, tmp_path: Path, capsys: Out
) -> None:
    """SQLite keeps bytes or fractions in any column; they are a bad row, not a crash."""
    async with open_store(sqlite_url, ring=lambda step: None, pagers=()) as store:
        await bring_to(store, Stage.CLOSED)
    with closing(sqlite3.connect(tmp_path / "nod.db")) as connection, connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET body = x'00ff' WHERE number = 2")
    assert 1 == await verify(sqlite_url)
    assert "✗ row 2: its content has a form that Nod never writes" == capsys.readouterr().out.strip()


async def chain_holds(url: str) -> bool:
    """Whether the chain by itself looks whole."""
    async with open_audit_reader(url) as audit_reader:
        return (await examine(audit_reader)).broken is None


async def test_a_cut_tail_is_found_against_a_checkpoint(
    store: SqlStore, url: str, tamper: Eyes, tmp_path: Path, capsys: Out
) -> None:
    """The chain alone looks whole; the checkpoint that was kept elsewhere tells how far it went."""
    await bring_to(store, Stage.CLOSED)
    file = await checkpointed(store, tmp_path)
    tamper("DELETE FROM audit WHERE number >= 4")
    assert await chain_holds(url)
    assert 1 == await verify(url, checkpoints=file)
    expected = "✗ row 4: it is missing: a checkpoint was signed for row 5"
    assert expected == capsys.readouterr().out.splitlines()[-1]
    tamper("DELETE FROM audit")
    assert 1 == await verify(url, checkpoints=file)


async def test_a_chain_written_anew_is_found_against_a_checkpoint(
    store: SqlStore, url: str, tamper: Eyes, tmp_path: Path, capsys: Out
) -> None:
    """Rewriting the whole chain still cannot rewrite the rows that were signed."""
    await bring_to(store, Stage.SETTLED)
    file = await checkpointed(store, tmp_path)
    tamper("DELETE FROM audit")
    for number in range(9):
        await admit(store, f"other{number}")
    assert await chain_holds(url)
    assert 1 == await verify(url, checkpoints=file)
    expected = "✗ row 4: its checkpoint was signed for different content"
    assert expected == capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize("field", ["number", "hash", "at", "key", "signature"])
async def test_a_forged_checkpoint_is_found(
    store: SqlStore, url: str, tmp_path: Path, capsys: Out, field: str
) -> None:
    """Whatever was changed in it, its signature does not fit any more."""
    await bring_to(store, Stage.CLOSED)
    file = await checkpointed(store, tmp_path)
    line = json.loads(file.read_text())
    stranger = read_or_make_key(tmp_path / "stranger.key")
    changed = {
        "number": 2,
        "hash": "0" * 64,
        "at": "2026-03-02T00:00:00.000+00:00",
        "key": stranger.public,
        "signature": stranger.sign(b"anything"),
    }
    file.write_text(json.dumps({**line, field: changed[field]}) + "\n")
    assert 1 == await verify(url, checkpoints=file)
    assert "is not signed by" in capsys.readouterr().out


async def test_a_strangers_checkpoint_is_found(store: SqlStore, url: str, tmp_path: Path, capsys: Out) -> None:
    """A genuine signature by another key than Nod's proves nothing."""
    await bring_to(store, Stage.CLOSED)
    file = await checkpointed(store, tmp_path)
    other = read_or_make_key(tmp_path / "other.key").public
    assert 1 == await verify(url, checkpoints=file, keys=[other])
    assert f"✗ the checkpoint for row 5 is not signed by {other}" == capsys.readouterr().out.strip()
    file.write_text("nonsense\n")
    assert 1 == await verify(url, checkpoints=file)
    assert "line 1 of" in capsys.readouterr().out


@pytest.mark.parametrize("address", ["sqlite:///{}/missing.db", "mysql://host/nod", "nonsense", "sqlite://"])
async def test_a_database_that_is_none_is_refused(tmp_path: Path, address: str) -> None:
    """Nothing is made in its place, and the message says what to do."""
    with pytest.raises(ConfigError, match="NOD_DATABASE_URL"):
        await verify(address.format(tmp_path))
    assert [] == list(tmp_path.iterdir())


async def test_a_database_without_an_audit_is_refused(tmp_path: Path) -> None:
    """It belongs to another user."""
    (tmp_path / "empty.db").touch()
    with pytest.raises(ConfigError, match="has no audit"):
        await verify(f"sqlite:///{tmp_path}/empty.db")


@pytest.mark.parametrize("content", ["", '{"cut": '])
async def test_checkpoints_that_are_gone_prove_nothing(
    store: Store, url: str, tmp_path: Path, capsys: Out, content: str
) -> None:
    """An attacker who cut the end could have emptied the file, too: that must not read as proven."""
    file = tmp_path / "checkpoints.jsonl"
    file.write_text(content)

    assert 1 == await verify(url, checkpoints=file)
    assert capsys.readouterr().out == f"✗ {file} contains no checkpoint\n"


async def test_a_key_without_checkpoints_is_refused(store: Store, url: str) -> None:
    """There is nothing to compare it with, and its user would believe that the chain is signed."""
    with pytest.raises(ConfigError, match="--key is given without --checkpoints"):
        await verify(url, keys=["f1fxgIxvwyYHnfmIccUIWAS1B0SnOWM6gIjtBwuGme0="])


def test_an_export_of_an_ending_that_there_is_not_is_refused() -> None:
    """An empty export would read as if nothing had ended so."""
    done = CliRunner().invoke(app, ["audit", "export", "--decision", "approve"])
    assert done.exit_code == 2
    assert "--decision" in done.output


def test_a_moment_that_is_none_is_told_with_both_forms() -> None:
    """A length of time ago, and a moment."""
    done = CliRunner().invoke(app, ["audit", "export", "--since", "2026-13-01"])
    assert "Write it like 30d, or like 2026-03-01T09:00:00+00:00." in str(done.exception)


async def test_the_public_key_is_printed(tmp_path: Path, capsys: Out) -> None:
    """Always the same one; it is what --key takes."""
    assert 0 == await key(tmp_path / "audit.key")
    assert read_or_make_key(tmp_path / "audit.key").public == capsys.readouterr().out.strip()


# --- export -----------------------------------------------------------------------------------------------


async def some_lives(store: Store) -> None:
    """One approved by two, one rejected after it changed, one answered by a rule, one that nobody answered."""
    await admit(store, "two")
    digest = a_request("two").digest
    await store.approvals.vote("two", vote=a_vote("bob", digest=digest), needs=2, eligible=None)
    await store.approvals.vote("two", vote=a_vote("ann", digest=digest, at=after(1)), needs=2, eligible=None)
    await store.approvals.settle("two", was=Stage.DECIDED, outcome=Outcome.APPROVED, at=after(2))
    await admit(store, "changed")
    await decide(store, "changed")
    new = a_request("changed", tool_name="wire", arguments={"password": "hunter22hunter22"})
    await revise(store, "changed", was=Stage.DECIDED, request=new)
    no = a_vote("cid", digest=new.digest, verdict=HITLDecision.REJECTED, note="=cmd()")
    await store.approvals.vote("changed", vote=no, needs=1, eligible=None)
    rule = replace(an_approval("rule", request=a_request("rule", agent_id="=reader")), rule="reads")
    await store.approvals.insert([NewApproval(approval=replace(rule, first_seen=after(60)))])
    vote = replace(a_rules_vote("rule"), digest=rule.request.digest, at=after(60))
    await store.approvals.vote("rule", vote=vote, needs=1, eligible=None)
    await store.approvals.insert([NewApproval(approval=replace(an_approval("nobody"), first_seen=after(90)))])
    outcome = Outcome.TIMEOUT_SKIP
    await store.approvals.settle("nobody", was=Stage.OPEN, outcome=outcome, at=after(180))


async def exported(url: str, folder: Path, *, arguments: bool = False, **only: Any) -> list[dict[str, Any]]:
    """The lines of an export as JSON."""
    file = folder / "export.jsonl"
    code = await export(
        url, form="jsonl", only=Filter(**only), output=file, with_arguments=arguments, redaction=Redaction()
    )
    assert 0 == code
    assert 0o600 == file.stat().st_mode & 0o777
    return [json.loads(line) for line in file.read_text().splitlines()]


async def test_an_export_has_what_the_guide_wants_kept(store: Store, url: str, tmp_path: Path) -> None:
    """One line per approval, from the rows of the chain, which are named."""
    await some_lives(store)
    two, changed, rule, nobody = await exported(url, tmp_path)
    votes = two.pop("votes")
    digest = two.pop("arguments_digest")
    said = two.pop("operator_input")
    assert {
        "request_id": "two",
        "agent_id": "treasury",
        "run_id": None,
        "decision": "approved",
        "outcome": "approved",
        "operator": "Bob <bob@acme.example>, Ann <ann@acme.example>",
        "created_at": "2026-03-01T12:00:00.123+00:00",
        "resolved_at": "2026-03-01T12:00:02.123+00:00",
        "timeout_at": "2026-03-01T12:03:00.123+00:00",
        "tool": "pay",
        "route": "payments",
        "rule": None,
        "rows": [1, 2, 3, 4, 5],
        "source": "glaip",
    } == two
    assert ["bob", "ann"] == [vote["person"] for vote in votes]
    assert 64 == len(digest)
    assert "approved by Bob" in said
    assert ("rejected", "wire", None, ["ann", "cid"]) == (
        changed["decision"],
        changed["tool"],
        changed["outcome"],
        [vote["person"] for vote in changed["votes"]],
    )
    assert [False, False] == [vote["seen_whole"] for vote in votes]
    assert ("approved", "reads", "rule reads") == (rule["decision"], rule["rule"], rule["operator"])
    assert (None, "timeout_skip", []) == (nobody["decision"], nobody["outcome"], nobody["votes"])


FILTERS = [
    ({"since": after(60)}, ["rule", "nobody"]),
    ({"until": after(60)}, ["two", "changed"]),
    ({"since": after(60), "until": after(61)}, ["rule"]),
    ({"agent": "=read*"}, ["rule"]),
    ({"tool": "wi?e"}, ["changed"]),
    ({"person": "ANN"}, ["two", "changed"]),
    ({"person": "cid@acme.example"}, ["changed"]),
    ({"person": "U-bob"}, ["two"]),
    ({"decision": Outcome.APPROVED}, ["two", "rule"]),
    ({"decision": Outcome.TIMEOUT_SKIP}, ["nobody"]),
    ({"decision": Outcome.APPROVED, "person": "cid"}, []),
]


@pytest.mark.parametrize(("only", "expected"), FILTERS)
async def test_an_export_is_filtered(
    store: Store, url: str, tmp_path: Path, only: dict[str, Any], expected: list[str]
) -> None:
    """By time, agent, tool, person and decision; by several, where all must agree."""
    await some_lives(store)
    assert expected == [line["request_id"] for line in await exported(url, tmp_path, **only)]


async def test_an_export_tells_the_call_that_was_decided(store: Store, url: str, tmp_path: Path) -> None:
    """A changed one by its new route, with no rule, since people were asked; and who saw all of it."""
    await store.approvals.insert([NewApproval(approval=replace(an_approval(), rule="reads"))])
    new = a_request(arguments={"to": "eve"})
    assert await revise(store, request=new, route="wires")
    await store.approvals.vote("r1", vote=a_vote(digest=new.digest, seen_whole=True), needs=1, eligible=None)
    (line,) = await exported(url, tmp_path)
    assert ("wires", None, [True]) == (line["route"], line["rule"], [v["seen_whole"] for v in line["votes"]])


async def test_an_export_tells_the_last_deadline_and_the_last_end(
    store: Store, url: str, tmp_path: Path
) -> None:
    """What was believed to be answered elsewhere and is listed again has no end until it ends."""
    await admit(store)
    moved = a_deadline(after(600))
    assert await store.approvals.retime(
        "r1", was=DEADLINE, route="payments", lease=LEASE, deadline=moved, rungs=()
    )
    await claim(store)
    await settle(store)
    (line,) = await exported(url, tmp_path)
    assert ("2026-03-01T12:10:00.123+00:00", "elsewhere") == (line["timeout_at"], line["outcome"])
    assert await store.approvals.revive(
        "r1", route="payments", deadline=a_deadline(after(900)), rungs=(), at=after(9)
    )
    (line,) = await exported(url, tmp_path)
    ends = (line["timeout_at"], line["outcome"], line["resolved_at"])
    assert ("2026-03-01T12:15:00.123+00:00", None, None) == ends
    assert [1, 2, 3, 4, 5] == line["rows"]


async def test_arguments_are_exported_when_asked_for_and_redacted(
    store: Store, url: str, tmp_path: Path
) -> None:
    """Without the option they are not there at all; with it, no secret is."""
    await some_lives(store)
    assert all("arguments" not in line for line in await exported(url, tmp_path))
    two, changed, *_ = await exported(url, tmp_path, arguments=True)
    assert {"to": "ann", "cents": 12} == two["arguments"]
    assert ["password"] == list(changed["arguments"])
    assert "hunter22" not in (tmp_path / "export.jsonl").read_text()


async def test_no_cell_of_a_csv_is_a_formula(store: Store, url: str, tmp_path: Path) -> None:
    """What an agent or a person wrote does not run in a spreadsheet."""
    await some_lives(store)
    file = tmp_path / "export.csv"
    await export(url, form="csv", only=Filter(), output=file, redaction=Redaction())
    with file.open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert ["two", "changed", "rule", "nobody"] == [line["request_id"] for line in lines]
    assert "'=reader" == lines[2]["agent_id"]
    assert "=cmd()" == json.loads(lines[1]["votes"])[1]["note"]
    cells = [cell for line in lines for cell in line.values()]
    assert [] == [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]


async def test_an_export_goes_to_the_screen_too(store: Store, url: str, capsys: Out) -> None:
    """Without a file, and with nothing but the lines."""
    await some_lives(store)
    await export(url, form="jsonl", only=Filter(), redaction=Redaction())
    ids = [json.loads(line)["request_id"] for line in capsys.readouterr().out.splitlines()]
    assert ["two", "changed", "rule", "nobody"] == ids


async def test_an_approval_older_than_the_audit_is_exported(
    store: Store, url: str, tamper: Eyes, tmp_path: Path
) -> None:
    """What the chain does not tell of the call, the record does."""
    await admit(store)
    tamper("DELETE FROM audit")
    await settle(store)
    (line,) = await exported(url, tmp_path)
    assert ("pay", "treasury", "elsewhere") == (line["tool"], line["agent_id"], line["outcome"])


async def test_a_file_that_cannot_be_written_is_refused(store: Store, url: str, tmp_path: Path) -> None:
    """Before anything is read, with the file's name."""
    with pytest.raises(ConfigError, match="cannot be written"):
        await export(url, form="csv", only=Filter(), output=tmp_path, redaction=Redaction())
