"""The history through another policy: what it would have changed, and who could not have voted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.cli import policy as tools
from adapters.store.open import open_store
from bot.approval import Actor, Approval, Stage, Vote
from bot.ladder import Deadline, DeadlineSource
from bot.protocol import HITLDecision, HITLRequest
from bot.records import Counted, NewApproval
from bot.surface import Surface

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

POLICY = """
people:
  ann: {email: ann@acme.example}
  bob: {email: bob@acme.example}
  eve: {email: eve@acme.example}
groups:
  finance: [ann, bob, eve]
routes:
  - name: payments
    match: {tool: "pay_*", arguments.amount: ">= 1000"}
    cards: [slack:C0FINANCE]
    approvers: [finance]
    quorum: 2
  - {name: default, match: {}, cards: [slack:C0A], approvers: [ann]}
deny:
  - {name: no-drop, match: {tool: "drop_*"}, note: "people do that"}
"""


def written(folder: Path, text: str = POLICY, name: str = "nod.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def an_approval(
    number: int, tool: str, *, hours_ago: float, amount: int = 5000, route: str = "payments"
) -> Approval:
    seen = NOW - timedelta(hours=hours_ago)
    return Approval(
        request=HITLRequest(
            request_id=f"r{number}", tool_name=tool, agent_id="treasury", arguments={"amount": amount}
        ),
        route=route,
        stage=Stage.OPEN,
        first_seen=seen,
        deadline=Deadline(at=seen + timedelta(minutes=3), source=DeadlineSource.DEFAULT),
    )


HISTORY = (
    an_approval(1, "pay_bill", hours_ago=3),
    an_approval(2, "pay_\x1b[31mbill", hours_ago=2, amount=5),
    an_approval(3, "drop_table", hours_ago=1, route="default"),
    an_approval(4, "pay_old", hours_ago=1000),
)


async def replayed(
    folder: Path, capsys: pytest.CaptureFixture[str], new: str | None, *, old: str = POLICY
) -> list[str]:
    """What `nod policy replay --since 1d` prints, for a history in a database of its own."""
    url = f"sqlite:///{folder / 'nod.db'}"
    if not (folder / "nod.db").exists():
        async with open_store(url, ring=lambda _: None, pagers=()) as store:
            for approval in HISTORY:
                assert await store.approvals.insert([NewApproval(approval=approval)])
    code = await tools.replay(
        database_url=url,
        path=written(folder, old),
        new=None if new is None else written(folder, new, "new.yaml"),
        since=timedelta(days=1),
        auto_approve=False,
        now=NOW,
    )
    assert 0 == code
    return capsys.readouterr().out.splitlines()


async def test_the_same_file_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """However often it is asked."""
    for _ in range(2):
        assert ["3 requests, no change"] == await replayed(tmp_path, capsys, POLICY)


async def test_another_file_shows_what_it_would_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Route, approvers, quorum and automatic answer, earliest first; nothing in it steers the terminal."""
    new = (
        POLICY.replace(">= 1000", "< 1000")
        .replace("finance: [ann, bob, eve]", "finance: [bob, eve]")
        .replace('"drop_*"', '"delete_*"')
    )

    lines = await replayed(tmp_path, capsys, new)

    first = "2026-03-02T09:00:00+00:00 pay_bill by treasury (r1):"
    second = "2026-03-02T10:00:00+00:00 pay_\\u{1B}[31mbill by treasury (r2):"
    assert [
        f"{first} route payments -> default; approvers -bob -eve; quorum 2 -> 1",
        f"{second} approvers -ann",
        "2026-03-02T11:00:00+00:00 drop_table by treasury (r3): automatic no-drop (rejected) -> none",
        "3 requests, 3 would have changed",
    ] == lines
    assert lines == await replayed(tmp_path, capsys, new)


async def test_the_audit_is_compared_with_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a second file: what was admitted under another policy than this one."""
    assert [
        "2026-03-02T11:00:00+00:00 drop_table by treasury (r3): automatic none -> no-drop (rejected)",
        "3 requests, 1 would have changed",
    ] == await replayed(tmp_path, capsys, None)


async def test_who_voted_and_could_not_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A decision by a person who would be refused now is named; the bot can run meanwhile."""
    vote = Vote(
        person="ann",
        verdict=HITLDecision.APPROVED,
        actor=Actor(surface=Surface.SLACK, account="U0ANN", name="Ann"),
        at=NOW - timedelta(hours=2.99),
        card_id="c",
        digest=HISTORY[0].request.digest,
    )
    await replayed(tmp_path, capsys, None)
    async with open_store(f"sqlite:///{tmp_path / 'nod.db'}", ring=lambda _: None, pagers=()) as store:
        assert Counted.WAITING is await store.approvals.vote("r1", vote=vote, needs=2, eligible=None)

        lines = await replayed(tmp_path, capsys, POLICY.replace("[ann, bob, eve]", "[bob, eve]"))

    first = "2026-03-02T09:00:00+00:00 pay_bill by treasury (r1):"
    assert [
        f"{first} approvers -ann; ann approved it, but can no longer decide",
        "2026-03-02T10:00:00+00:00 pay_\\u{1B}[31mbill by treasury (r2): approvers -ann",
        "3 requests, 2 would have changed",
    ] == lines
