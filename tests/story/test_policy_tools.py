"""A policy tried before it is in force: what it does with a request, what is wrong, what it would change."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.cli import policy as tools
from adapters.cli.policy_lint import covers
from bot.errors import ConfigError
from bot.matching import Match, Pattern
from tests.story.reachable import SLACK, FakeDirectory

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

POLICY = """
people:
  ann: {email: ann@acme.example}
  bob: {email: bob@acme.example}
  eve: {email: eve@acme.example}
groups:
  finance: [ann, bob, eve]
  board: ["slack-usergroup:S0BOARD"]
routes:
  - name: payments
    match: {tool: "pay_*", arguments.amount: ">= 1000"}
    cards: [slack:C0FINANCE]
    approvers: [finance, board]
    quorum: 2
    requester: arguments.by
    reason: {rejected: required}
    ladder: [{at: 50%, do: ping, who: [finance]}]
  - {name: default, match: {}, cards: [slack:C0A], approvers: [ann]}
deny:
  - {name: no-drop, match: {tool: "drop_*"}, note: "people do that"}
automatic:
  - {name: reads, match: {tool: "read_*"}, decide: approved}
"""

PAYMENT = {
    "request_id": "r1",
    "tool": "pay_invoice",
    "agent_id": "treasury",
    "created_at": "2026-03-01T10:00:00Z",
    "arguments": {"amount": 5000, "by": "ann", "password": "hunter2hunter2", "to": "\u202eevil"},
    "hitl_metadata": {"timeout_seconds": 100},
}

Files = tuple[Path, Path]


def written(folder: Path, text: str = POLICY, name: str = "nod.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


async def explained(
    folder: Path, capsys: pytest.CaptureFixture[str], request: Any, *, auto: bool = False
) -> str:
    """What `nod policy test` prints for a request."""
    text = POLICY.partition("deny:")[0] if auto else POLICY
    asked = written(folder, json.dumps(request), "request.json")
    assert 0 == await tools.test(asked, path=written(folder, text), auto_approve=auto, now=NOW)
    return capsys.readouterr().out


async def test_a_request_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Route, who can decide and who cannot, how many, ladder with times, redactions and warnings."""
    out = await explained(tmp_path, capsys, PAYMENT)

    for line in (
        "route       payments",
        "automatic   none",
        "cards       slack:C0FINANCE",
        "can decide  bob, eve, the members of slack-usergroup:S0BOARD",
        "cannot      ann, who asked for it",
        "people      needed: approved 2, rejected 1, skipped 1",
        "reason      rejected required",
        "deadline    2026-03-01T10:01:40+00:00 (100 s, from timeout_seconds)",
        "ladder      2026-03-01T10:00:50+00:00 (50%, after 50 s) pings ann, bob, eve",
        "redacted    password",
    ):
        assert line in out.splitlines()
    assert "warning" in out
    assert "hunter2" not in out
    assert "\u202e" not in out


@pytest.mark.parametrize(
    ("changes", "auto", "lines"),
    [
        ({"tool": "read_mail"}, False, ["automatic   reads (approved)"]),
        ({"tool": "drop_db"}, False, ["automatic   no-drop (rejected)"]),
        (
            {"tool": "drop_db"},
            False,
            ["denied      by no-drop, so no vote can approve this call (people do that)"],
        ),
        ({"tool": "drop_db"}, True, ["automatic   auto-approve (approved)"]),
        ({"arguments": {"amount": 5}}, False, ["route       default", "redacted    nothing"]),
        (
            {"arguments": {"amount": "lots"}},
            False,
            ["route       payments", "in doubt    route payments"],
        ),
        ({"tool": "Drop_db"}, False, ["in doubt    rule no-drop"]),
        (
            {"arguments": {"amount": 5000, "By": "x"}},
            False,
            ["cannot      anyone: each of them could be the requester"],
        ),
        (
            {"arguments": "{" + "x" * 2044 + "..."},
            False,
            ["never       approved: the platform truncated the call"],
        ),
    ],
)
async def test_what_a_policy_makes_of_a_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], auto: bool, lines: list[str]
) -> None:
    """The same answers that the running bot would give."""
    out = await explained(tmp_path, capsys, PAYMENT | changes, auto=auto)

    assert [] == [line for line in lines if line not in out.splitlines()]


@pytest.mark.parametrize(
    "shape", [lambda one: one, lambda one: [one], lambda one: {"success": True, "data": [one]}]
)
async def test_a_request_as_the_platform_lists_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shape: Any
) -> None:
    """One item, a list, or the whole answer."""
    assert "route       payments" in await explained(tmp_path, capsys, shape(PAYMENT))


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "{", "7", '[{"request_id": "r1"}]'])
async def test_a_file_without_a_request_is_named(tmp_path: Path, content: str | None) -> None:
    """In one line, with what to save."""
    asked = tmp_path / "request.json"
    if content is not None:
        asked.write_text(content)

    with pytest.raises(ConfigError) as caught:
        await tools.test(asked, path=written(tmp_path), auto_approve=False, now=NOW)

    assert str(asked) == caught.value.where
    assert caught.value.fix
    assert content != "[]" or caught.value.what == "contains no request"


async def linted(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, directory: FakeDirectory | None = None
) -> tuple[int, list[str]]:
    """The exit code of `nod policy lint`, and what it prints; offline without a directory."""
    code = await tools.lint(
        path=written(folder, text),
        auto_approve=False,
        now=NOW,
        directories={SLACK: directory} if directory else None,
        groups={"slack-usergroup": directory} if directory else None,
    )
    return code, capsys.readouterr().out.splitlines()


ALL = FakeDirectory("ann", "bob", "eve", group=["U0CAT"])
LINTS: list[tuple[str, str, FakeDirectory | None, int, str | None]] = [
    ("all is well", POLICY, ALL, 0, None),
    ("all is well, offline", POLICY, None, 0, None),
    (
        "too few can be reached",
        POLICY,
        FakeDirectory("ann"),
        1,
        "error: route payments needs 2 approvals, but 1 of its approvers can be reached",
    ),
    (
        "a guest may not decide",
        POLICY,
        FakeDirectory("ann", "bob", guests=["bob"]),
        1,
        "error: route payments needs 2 approvals, but 1 of its approvers can be reached",
    ),
    (
        "a guest whom the route names",
        POLICY.replace("    quorum: 2", "    quorum: 2\n    outsiders: [bob]"),
        FakeDirectory("ann", "bob", guests=["bob"]),
        0,
        "warning: route payments has too few approvers left if one of its 2 approvers is the requester",
    ),
    (
        "no such user in",
        POLICY,
        FakeDirectory("ann", "bob", group=["U0CAT"]),
        0,
        "warning: eve: no such user in Slack",
    ),
    (
        "nobody on the default route",
        POLICY,
        FakeDirectory("bob", "eve"),
        1,
        "error: route default needs 1 approval, but 0 of its approvers can be reached",
    ),
    (
        "a group that cannot be read",
        POLICY,
        FakeDirectory("ann", "bob", "eve", group=None),
        1,
        "error: slack-usergroup:S0BOARD could not be read, so it has no members",
    ),
    ("an empty group", POLICY, FakeDirectory("ann", "bob", "eve"), 0, "warning: group board is empty"),
    (
        "an empty group, offline",
        POLICY.replace('["slack-usergroup:S0BOARD"]', "[]"),
        None,
        0,
        "warning: group board is empty",
    ),
    (
        "neither e-mail nor account",
        POLICY.replace("{email: eve@acme.example}", "{}"),
        None,
        0,
        "warning: eve: no e-mail and no account",
    ),
    (
        "a rung that pings nobody",
        POLICY.replace("who: [finance]", "who: [eve]"),
        FakeDirectory("ann", "bob"),
        0,
        "warning: route payments pings nobody at 50% of the window",
    ),
    (
        "no approvers",
        POLICY.replace("approvers: [ann]", "approvers: []"),
        None,
        0,
        "warning: route default has no approvers, so its requests always expire",
    ),
    (
        "a dead route",
        POLICY.replace(
            "  - {name: default", "  - {name: big, match: {tool: pay_bill, arguments.amount: '> 5000'}, cards: "
            "[slack:C0A], approvers: [ann]}\n  - {name: default",
        ),
        None,
        0,
        "warning: route big is never used: route payments above it takes all of its requests",
    ),
    (
        "a dead rule",
        f"{POLICY}  - {{match: {{tool: read_mail}}, decide: approved}}\n",
        None,
        0,
        "warning: rule automatic-2 is never used: rule reads above it answers all of its requests",
    ),
    (
        "a delegation that ended",
        f"{POLICY}delegations: [{{from: ann, to: bob, until: 2026-03-01}}]\n",
        None,
        0,
        "warning: the delegation from ann to bob ended at 2026-03-02T00:00:00+00:00",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "directory", "code", "line"), [row[1:] for row in LINTS], ids=[row[0] for row in LINTS]
)
async def test_lint(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    directory: FakeDirectory | None,
    code: int,
    line: str | None,
) -> None:
    """What keeps requests from being decided is an error and exit 1; what may be meant is a warning."""
    got, lines = await linted(tmp_path, capsys, text, directory)

    assert code == got, lines
    assert ("nod.yaml: 0 errors, 0 warnings" == lines[-1]) is (line is None), lines
    assert line is None or any(one.startswith(line) for one in lines), lines


def pattern(text: str | None) -> Pattern | None:
    return None if text is None else Pattern(text=text)


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        ("*", None, True),
        ("*", "x", True),
        (None, "x", True),
        ("x", None, False),
        ("pay_*", "pay_*", True),
        ("pay_*", "pay_bill", True),
        ("pay_*", "pay_?*", True),
        ("pay_*", "read", False),
        ("pay_*", "p*", False),
        ("*_bill", "pay_*_bill", True),
        ("pay_*", "!pay_*", False),
        ("!pay_*", "read", False),
        ("!pay_*", "!pay_*", True),
        ("*a*", "x[ab]", False),
        ("?x", "*x", False),
        ("[*]x", "*x", False),
        (">= 10", "> 10", True),
        (">= 10", ">= 11", True),
        ("> 10", ">= 10", False),
        ("> 10", "> 10.0", True),
        (">= 10", "<= 10", False),
        ("< 5", "<= 4", True),
        ("<= 5", "< 5", True),
        ("< 5", "<= 5", False),
        (">= 10", "20", False),
    ],
)
def test_what_is_provably_dead(earlier: str | None, later: str | None, expected: bool) -> None:
    """Only what can be proved is called dead; for an argument, `*` still asks that it is there."""
    assert expected is covers(Match(tool=pattern(earlier)), Match(tool=pattern(later)))
    if earlier not in (None, "*") and later is not None:
        path = (("a", Pattern(text=earlier or "")),), (("a", Pattern(text=later)),)
        assert expected is covers(Match(arguments=path[0]), Match(arguments=path[1], tool=Pattern(text="x")))


def test_exceptions_count() -> None:
    """A route with an exception is only covered by one with the same."""
    exception = Match(tool=Pattern(text="pay_refund"))
    narrow = Match(tool=Pattern(text="pay_x"))

    assert not covers(Match(without=exception), narrow)
    assert covers(Match(without=exception), replace(narrow, without=exception))
    assert covers(Match(), replace(narrow, without=exception))
    assert not covers(Match(arguments=(("a", Pattern(text="*")),)), narrow)
