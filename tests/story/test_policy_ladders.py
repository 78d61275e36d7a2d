"""Ladders and on-call tried before they count: what `nod policy` says of them, and what it warns of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.cli import policy as tools
from adapters.cli.policy_ladder import staffed
from adapters.cli.policy_replay import Past, changes_of
from adapters.oncall import Schedules
from adapters.settings import read_policy_file
from bot.policy import Policy
from bot.protocol import HITLRequest
from bot.surface import Surface
from tests.story.reachable import SLACK, FakeDirectory, FakeSchedules

#: A Monday, an hour before the rotation hands over from ann to bob.
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PEOPLE = "people: {ann: {email: ann@b.c}, bob: {email: bob@b.c}, eve: {email: eve@b.c}, gil: {email: gil@b.c}}"
POLICY = f"""{PEOPLE}
groups:
  finance: [ann, bob]
  board: ["slack-usergroup:S0BOARD"]
hours:
  office: {{zone: Europe/Berlin, from: "09:00", to: "17:30", days: [mon, tue, wed, thu, fri]}}
  ever: {{zone: UTC, from: "06:00", to: "06:00"}}
oncall:
  duty: {{people: [bob, ann], every: week, at: "10:00", zone: Europe/Berlin, begins: 2026-03-02}}
  sre: {{pagerduty: P1234AB, otherwise: gil}}
  infra: {{ical: "https://calendar.acme.example/private-token.ics", otherwise: gil}}
  solo: {{people: [eve], every: day, at: "00:00", zone: UTC, begins: 2026-01-01}}
calendar_hosts: [calendar.acme.example]
routes:
  - name: default
    match: {{}}
    cards: [slack:C0A]
    approvers: [finance]
    ladder:
      LADDER
alerts: [slack:C0ALERTS]
"""
LADDER = (
    "{at: 30%, do: remind}",
    "{at: 40%, do: ping, who: [duty, solo, finance]}",
    "{at: 50%, do: ping, who: [sre, eve], during: office}",
    "{at: 60%, do: widen, who: [gil, infra], cards: [slack:C0CFO]}",
    "{at: 70%, do: page, outside: ever}",
    "{at: 80%, do: page, who: [eve], outside: office}",
    "{at: 60s before, do: fallback, cards: [slack:C0OTHER], during: office}",
)
REQUEST = {"request_id": "r1", "tool": "pay", "agent_id": "a", "hitl_metadata": {}}


def written(folder: Path, *rungs: str, text: str = POLICY) -> Path:
    """The policy with these rungs."""
    text = text.replace("LADDER", "\n      ".join(f"- {rung}" for rung in rungs) if rungs else "[]")
    path = folder / "nod.yaml"
    path.write_text(text, encoding="utf-8")
    return path


async def explained(
    folder: Path, capsys: pytest.CaptureFixture[str], *, seen: datetime, seconds: int
) -> list[str]:
    """The lines of `nod policy test` for a request of that length, at `NOW`."""
    asked = folder / "request.json"
    metadata = {"timeout_seconds": seconds}
    asked.write_text(json.dumps(REQUEST | {"created_at": seen.isoformat(), "hitl_metadata": metadata}))
    await tools.test(asked, path=written(folder, *LADDER), auto_approve=False, now=NOW)
    return capsys.readouterr().out.splitlines()


async def test_each_rung_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When, how long after first sight, what, who gets it as of now, and what its hours make of it."""
    lines = await explained(tmp_path, capsys, seen=datetime(2026, 3, 2, 6, tzinfo=UTC), seconds=18_000)

    sre, infra = "the person on call for sre", "the person on call for infra"
    late = "because that would be too late"
    alert = "pages the alert channels"
    not_ever, not_office = f"not moved by `outside ever`, {late}", f"not moved by `outside office`, {late}"
    widen = f"lets gil, {infra} decide as well and puts the card in slack:C0CFO"
    fallback = "puts the card in slack:C0OTHER; during office"
    assert [
        "2026-03-02T07:30:00+00:00 (30%, after 5400 s) reminds in the thread",
        "2026-03-02T08:00:00+00:00 (40%, after 7200 s) pings ann, eve, bob",
        f"2026-03-02T08:30:00+00:00 (50%, after 9000 s) pings eve, {sre}; during office",
        f"2026-03-02T09:00:00+00:00 (60%, after 10800 s) {widen}",
        f"2026-03-02T09:30:00+00:00 (70%, after 12600 s) {alert}; {not_ever}",
        f"2026-03-02T10:00:00+00:00 (80%, after 14400 s) {alert} and pings eve; {not_office}",
        f"2026-03-02T10:59:00+00:00 (60 s before the deadline, after 17940 s) {fallback}",
    ] == [line.removeprefix("ladder").strip() for line in lines if line.startswith("ladder")]


async def test_who_is_on_call_now_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Until when and who comes then; of a schedule, who tells. A calendar's address may be its key."""
    lines = await explained(tmp_path, capsys, seen=NOW, seconds=100)

    assert [
        "duty: ann until 2026-03-02T09:00:00+00:00, then bob",
        "solo: eve",
        "sre: by the pagerduty schedule P1234AB, otherwise gil",
        "infra: by the calendar at calendar.acme.example, otherwise gil",
    ] == [line.removeprefix("on call").strip() for line in lines if line.startswith("on call")]
    assert "private-token" not in "\n".join(lines)


async def test_hours_shift_a_rung(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both moments are named: when it is due, and when it would have been."""
    lines = await explained(tmp_path, capsys, seen=datetime(2026, 2, 28, 8, tzinfo=UTC), seconds=259_200)

    due = "2026-03-02T08:00:00+00:00 (50%, after 172800 s) pings eve, the person on call for sre"
    assert f"ladder      {due}; moved from 2026-03-01T20:00:00+00:00 by `during office`" in lines


async def test_whoever_is_on_call_may_decide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a route names them among its approvers: by name for a rotation, in words for a schedule."""
    path = written(tmp_path, text=POLICY.replace("approvers: [finance]", "approvers: [duty, sre, eve]"))
    asked = tmp_path / "request.json"
    asked.write_text(json.dumps(REQUEST))

    await tools.test(asked, path=path, auto_approve=False, now=NOW)

    assert "can decide  ann, eve, the person on call for sre" in capsys.readouterr().out.splitlines()


async def linted(
    capsys: pytest.CaptureFixture[str],
    path: Path,
    directory: FakeDirectory | None = None,
    schedules: Mapping[str, Schedules] | None = None,
) -> tuple[int, list[str]]:
    """The exit code of `nod policy lint` and what it prints, the last line aside."""
    code = await tools.lint(
        path=path,
        auto_approve=False,
        now=NOW,
        directories={SLACK: directory} if directory else None,
        groups={"slack-usergroup": directory} if directory else None,
        schedules=schedules,
    )
    return code, capsys.readouterr().out.splitlines()[:-1]


ALL = FakeDirectory("ann", "bob", "eve", "gil", group=["U0CAT"])
WELL = {"pagerduty": FakeSchedules("bob@b.c"), "ical": FakeSchedules("eve")}
WARNINGS: list[tuple[tuple[str, ...], str | None]] = [
    (LADDER[:4], None),
    (("{at: 50%, do: ping, who: [gil]}", "{at: 50%, do: ping, who: [gil], during: office}"), None),
    (
        ("{at: 50%, do: ping, who: [gil], outside: office}", "{at: 50%, do: ping, who: [gil], during: office}"),
        None,
    ),
    (("{at: 50%, do: widen, who: [duty, gil]}",), None),
    (("{at: 50%, do: widen, who: [board]}",), None),
    (("{at: 50%, do: widen, who: [sre]}",), None),
    (
        ("{at: 50.5%, do: remind}", "{at: 50.5%, do: page}"),
        "warning: route default has two escalation steps at 50.5% of the window",
    ),
    (
        ("{at: 60s before, do: remind}", "{at: 1m before, do: page}"),
        "warning: route default has two escalation steps 60 s before its deadline",
    ),
    (
        ("{at: 50%, do: page, outside: ever}",),
        "warning: route default: hours ever never end, so they move no step at 50% of the window",
    ),
    (
        ("{at: 50%, do: page, during: ever}",),
        "warning: route default: hours ever never end, so they move no step at 50% of the window",
    ),
    (
        ("{at: 50%, do: widen, who: [ann, duty]}",),
        "warning: route default adds no new approvers at 50% of the window",
    ),
    (
        ("{at: 50%, do: widen, who: [gil]}", "{at: 60%, do: widen, who: [gil]}"),
        "warning: route default adds no new approvers at 60% of the window",
    ),
    (
        ("{at: 50%, do: fallback, cards: [slack:C0A]}",),
        "warning: route default falls back to channels that already have the card at 50% of the window",
    ),
    (
        ("{at: 50%, do: widen, who: [gil], cards: [slack:C0B]}", "{at: 60%, do: fallback, cards: [slack:C0B]}"),
        "warning: route default falls back to channels that already have the card at 60% of the window",
    ),
]


@pytest.mark.parametrize(("rungs", "warning"), WARNINGS)
async def test_lint_names_rungs_that_change_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rungs: tuple[str, ...], warning: str | None
) -> None:
    """It may be meant, so it is a warning; what cannot be known from here is none."""
    code, lines = await linted(capsys, written(tmp_path, *rungs), ALL, WELL)

    assert 0 == code
    assert [] == lines if warning is None else [True] == [line.startswith(warning) for line in lines], lines


@pytest.mark.parametrize(
    ("approvers", "who", "online"),
    [
        ("[duty]", "ann", True),  # on call now, and not next week
        ("[ann, bob, gil]", "sre", True),  # bob now, and the people that the schedule will name
        ("[finance]", "board", False),
        ("[finance, gil]", "sre", False),
    ],
)
async def test_lint_is_silent_where_somebody_may_be_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], approvers: str, who: str, online: bool
) -> None:
    """People who can decide today may not be able to tomorrow, and a schedule can name anyone."""
    text = POLICY.replace("approvers: [finance]", f"approvers: {approvers}")
    path = written(tmp_path, f"{{at: 50%, do: widen, who: [{who}]}}", text=text)

    assert (0, []) == await linted(capsys, path, ALL if online else None, WELL if online else None)


@pytest.mark.parametrize(
    ("rung", "what"),
    [
        ("{at: 50%, do: ping, who: [gil]}", "pings nobody at 50% of the window"),
        ("{at: 10s before, do: ping, who: [gil]}", "pings nobody 10 s before its deadline"),
        ("{at: 50%, do: widen, who: [gil]}", "widens to nobody at 50% of the window"),
        ("{at: 50%, do: page, who: [gil]}", "pages nobody at 50% of the window"),
    ],
)
async def test_lint_names_rungs_that_reach_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rung: str, what: str
) -> None:
    """People without an account, in a chat that was asked, get no message."""
    found = FakeDirectory("ann", "bob", "eve", group=["U0CAT"])

    _, lines = await linted(capsys, written(tmp_path, rung), found, WELL)

    assert [f"warning: route default {what}. Add a reachable person to this step."] == [
        line for line in lines if "route" in line
    ]


async def test_lint_knows_that_nobody_is_told_of_alerts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rung that pages needs a place to page."""
    path = written(tmp_path, "{at: 50%, do: page}", text=POLICY.replace("alerts: [slack:C0ALERTS]\n", ""))

    warning = "warning: route default pages at 50% of the window, but `alerts` is empty"
    assert (
        0,
        [f"{warning}. Add a channel or service under alerts."],
    ) == await linted(capsys, path)


async def test_lint_names_who_is_on_call_and_cannot_be_reached(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a shift, or in place of a schedule; and whose schedule cannot be read, with the reason."""
    away = {"pagerduty": FakeSchedules(silent=True), "ical": FakeSchedules("nobody@b.c")}
    found = FakeDirectory("ann", "bob", group=["U0CAT"])

    code, lines = await linted(capsys, written(tmp_path), found, away)

    assert 0 == code
    said = [line.partition(". ")[0] for line in lines if "on call" in line]
    assert [
        "warning: on call sre: PagerDuty does not answer, so gil is on call instead",
        "warning: on call infra: the schedule names nobody who is in nod.yaml, so gil is on call instead",
        "warning: on call sre: gil, who is on call when the schedule cannot be read, cannot be reached",
        "warning: on call infra: gil, who is on call when the schedule cannot be read, cannot be reached",
        "warning: on call solo: eve, who takes turns, cannot be reached",
    ] == said


async def test_lint_looks_at_every_shift(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A route that only this week's person can answer is an error today, not next week."""
    path = written(tmp_path, text=POLICY.replace("approvers: [finance]", "approvers: [duty]"))

    code, lines = await linted(capsys, path, FakeDirectory("ann", "eve", "gil", group=["U0CAT"]), WELL)

    short = "needs 1 approval, but 0 of its approvers can be reached"
    error = f"error: route default {short} while bob is on call for duty"
    assert 1 == code
    assert any(line.startswith(error) for line in lines)
    assert 0 == (await linted(capsys, path, ALL, WELL))[0]


async def test_lint_offline_asks_no_schedule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The people it names are not known then, so nothing is said of it."""
    text = POLICY.replace("approvers: [finance]", "approvers: [sre]\n    quorum: 3")

    assert (0, []) == await linted(capsys, written(tmp_path, "{at: 50%, do: ping, who: [infra]}", text=text))


def policy(folder: Path, approvers: str) -> Policy:
    text = POLICY.replace("approvers: [finance]", f"approvers: {approvers}")
    return read_policy_file(written(folder, text=text)).policy


@pytest.mark.parametrize(
    ("new", "hours", "ways"),
    [
        ("[duty]", 0, [("approvers -bob", "bob approved it, but can no longer decide")]),
        ("[duty]", 1, [("approvers -ann", "ann approved it, but can no longer decide")]),
        ("[sre]", 0, [("approvers -ann -bob +sre",)]),
        ("[finance]", 0, []),
    ],
)
def test_replay_knows_who_was_on_call(tmp_path: Path, new: str, hours: int, ways: list[Any]) -> None:
    """By the rotation at that moment, not at this one; where a schedule would have told, nobody is accused."""
    request = HITLRequest(request_id="r1", tool_name="pay", agent_id="a", arguments={})
    past = Past(
        request=request,
        seen=NOW + timedelta(hours=hours),
        route="default",
        rule=None,
        votes=(("ann", "approved"), ("bob", "approved")),
    )

    changes = list(changes_of([past], old=policy(tmp_path, "[finance]"), new=policy(tmp_path, new)))

    assert ways == [change.ways for change in changes]


def test_who_is_on_call_is_filled_in_for_a_moment(tmp_path: Path) -> None:
    """A rotation by its clock; what a schedule would say stays open."""
    for hours, handle in ((0, "ann"), (1, "bob")):
        filled = staffed(policy(tmp_path, "[duty]"), NOW + timedelta(hours=hours))
        assert (handle,) == filled.groups["duty"]
        assert "sre" not in filled.groups
        assert {Surface.SLACK} == {place.surface for place in filled.alerts}
