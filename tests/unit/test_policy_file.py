"""nod.yaml in full: everything it may say is taken as it was written, and nothing wrong is taken at all."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapters.settings import read_policy_file
from bot.errors import ConfigError
from bot.matching import Match, Pattern
from bot.policy import Delegation
from bot.ports import GroupRef
from bot.protocol import HITLDecision
from bot.routing import RejectionRule, Rule, Rules

if TYPE_CHECKING:
    from adapters.settings import PolicyFile

HEAD = "people:\n  ann: {email: ann@acme.example}\n  bob: {email: bob@acme.example}\n"
LAST = "- {name: default, match: {}, cards: [slack:C0A], approvers: [ann]}\n"
DENY = "deny:\n- {match: {tool: drop_db}}\n"
GUID = "6e0c9d0a-0f6f-4c0e-9a51-2f7a0b1c2d3e"

#: What YAML 1.1 reads as a boolean, a number, a date or nothing, or might.
AS_WRITTEN = (
    *("NO", "no", "Yes", "on", "OFF", "y", "n", "010", "0x1F", "0b1", "17:30", "1:30:00", "1_000", "1e3", ".5"),
    *(".inf", ".NaN", "+5", "2026-01-02", "2026-13-45", "2026-01-02T03:04:05Z", "None", "nil"),
)


def read(folder: Path, text: str, **options: Any) -> PolicyFile:
    path = folder / "nod.yaml"
    path.write_text(text, encoding="utf-8")
    return read_policy_file(path, **options)


def with_route(more: str) -> str:
    """A file with one more route on line 5, and this in it."""
    start = "- {name: pay, match: {}, cards: [slack:C0A], approvers: [ann, bob], "
    return f"{HEAD}routes:\n{start}{more}}}\n{LAST}"


def matching(conditions: str) -> str:
    """A file with these conditions on line 5."""
    return f"{HEAD}routes:\n- {{name: pay, match: {conditions}, cards: [slack:C0A], approvers: [ann]}}\n{LAST}"


def with_rest(rest: str) -> str:
    """A file with these settings from line 6."""
    return f"{HEAD}routes:\n{LAST}{rest}"


@pytest.mark.parametrize(
    ("conditions", "match"),
    [
        ("{}", Match()),
        ('{tool: "pay_*"}', Match(tool=Pattern(text="pay_*"))),
        ('{agent: "a", platform: "*"}', Match(agent=Pattern(text="a"), platform=Pattern(text="*"))),
        ('{tool: "!pay_*"}', Match(tool=Pattern(text="!pay_*"))),
        ('{arguments.amount: ">= 1000"}', Match(arguments=(("amount", Pattern(text=">= 1000")),))),
        ("{arguments.a.0.b: x}", Match(arguments=(("a.0.b", Pattern(text="x")),))),
        ("{arguments.n: 1.50}", Match(arguments=(("n", Pattern(text="1.50")),))),
        ("{arguments.n: 1000}", Match(arguments=(("n", Pattern(text="1000")),))),
        ("{arguments.day: 2026-01-02}", Match(arguments=(("day", Pattern(text="2026-01-02")),))),
        ("{arguments.force: True}", Match(arguments=(("force", Pattern(text="true")),))),
        ("{arguments.force: FALSE}", Match(arguments=(("force", Pattern(text="false")),))),
        ("{arguments.gone: null}", Match(arguments=(("gone", Pattern(text="null")),))),
        *((f"{{arguments.x: {text}}}", Match(arguments=(("x", Pattern(text=text)),))) for text in AS_WRITTEN),
        ("{not: {tool: pay_refund}}", Match(without=Match(tool=Pattern(text="pay_refund")))),
    ],
)
def test_conditions_are_taken_as_they_are_written(tmp_path: Path, conditions: str, match: Match) -> None:
    """Globs, comparisons, negation, and plain values, which count by the text in the file."""
    assert match == read(tmp_path, matching(conditions)).policy.routes[0].match


@pytest.mark.parametrize(
    ("conditions", "what"),
    [
        ("{amount: 5}", "'amount' is not a condition"),
        ("{arguments: {amount: 5}}", "'arguments' is not a condition"),
        ("{arguments.: x}", "'arguments.' is not a condition"),
        ("{arguments.a..b: x}", "'arguments.a..b' is not a condition"),
        ("{tool: }", "the condition is empty"),
        ("{arguments.x: ~}", "~ means null in YAML"),
        ("{arguments.x: NULL}", "NULL means null in YAML"),
        ('{tool: ""}', "the condition is empty"),
        ('{tool: "!"}', "the condition is empty"),
        ("{tool: [a]}", "glob, a comparison or a plain value"),
        ('{arguments.amount: ">= many"}', "does not compare with a number"),
        ("{not: {}}", "`not` needs at least one condition"),
        ("{not: pay}", "`not` needs at least one condition"),
        ("{not: {tol: x}}", "'tol' is not a condition"),
        ("{tool: !pay_x }", "'!pay_x' is a YAML tag"),
        ("{tool: !!int '5'}", "is a YAML tag"),
        ("{tool: !!python/object/apply:os.system ['true']}", "is a YAML tag"),
        ("{tool: *pay }", "is not valid YAML"),
    ],
)
def test_a_condition_that_means_nothing_is_refused(tmp_path: Path, conditions: str, what: str) -> None:
    """A typo would match everything, or nothing; the line is named, with what to write instead."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, matching(conditions))

    assert what in caught.value.what
    assert "line 5" in caught.value.where
    assert caught.value.fix


def test_a_route_may_say_everything(tmp_path: Path) -> None:
    """Every setting of a route reaches the core."""
    more = (
        "quorum: 2, rejection: quorum, self_approval: true, requester: arguments.by.mail, outsiders: [bob],"
        " presets: [Wrong, Wrong, Late], why: moves money"
    )
    route = read(tmp_path, with_route(more)).policy.routes[0]

    assert (2, RejectionRule.QUORUM, True) == (route.quorum, route.rejection, route.self_approval)
    assert ("arguments.by.mail", ("bob",)) == (route.requester, route.outsiders)
    assert (("Wrong", "Late"), "moves money") == (route.presets, route.why)


def test_a_route_says_no_by_default(tmp_path: Path) -> None:
    """One approver is enough, one rejection ends it, and the requester cannot decide."""
    route = read(tmp_path, with_rest("")).policy.routes[0]

    assert (1, RejectionRule.ANY, False, None) == (
        route.quorum,
        route.rejection,
        route.self_approval,
        route.requester,
    )
    assert ((), ()) == (route.outsiders, route.presets)


BAD_ROUTES = [
    ("quorum: 0", "quorum"),
    ("quorum: 21", "quorum"),
    ("quorum: 3", "there are 2 approvers"),
    ("quorum: '2'", "quorum"),
    ("quorum: true", "quorum"),
    ("rejection: all", "rejection"),
    ("self_approval: maybe", "self_approval"),
    ("requester: agent_id", "requester"),
    ("requester: arguments.", "requester"),
    ("outsiders: [eve]", "'eve' is not under people"),
    ("outsiders: [team]", "'team' is not under people"),
    (f"presets: ['{'x' * 76}']", "presets"),
    ("presets: ['']", "presets"),
    (f"presets: [{', '.join(f'p{n}' for n in range(21))}]", "presets"),
    ("approver: [ann]", "unknown setting `approver`"),
]


@pytest.mark.parametrize(("more", "what"), BAD_ROUTES)
def test_a_route_that_is_wrong_is_refused(tmp_path: Path, more: str, what: str) -> None:
    """Nobody may be asked by fewer, by others, or in other words than the file says."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, with_route(more) + "groups: {team: [ann]}\n")

    assert what in caught.value.what
    assert "line 5" in caught.value.where


def test_a_quorum_of_people_elsewhere_cannot_be_counted_here(tmp_path: Path) -> None:
    """A group that Slack or Entra keeps may have any number of members: lint looks, the file does not."""
    text = with_route("quorum: 5").replace("[ann, bob]", "[team]")
    file = read(tmp_path, f"{text}groups: {{team: [ann, 'slack-usergroup:S0614TZR7', 'entra-group:{GUID}']}}\n")

    refs = (GroupRef(kind="slack-usergroup", id="S0614TZR7"), GroupRef(kind="entra-group", id=GUID))
    assert {"team": refs} == file.elsewhere
    assert {"team": ("ann",)} == file.policy.groups


@pytest.mark.parametrize(
    "member", ["slack-usergroup:finance", "entra-group:finance", "ldap:finance", "x:", ":x"]
)
def test_a_group_that_nobody_keeps_is_refused(tmp_path: Path, member: str) -> None:
    """By id only: names of groups can be taken by anybody."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, with_rest(f"groups:\n  team:\n  - '{member}'\n"))

    assert "line 8" in caught.value.where


def test_a_group_of_somebody_elses_stands_in_a_group(tmp_path: Path) -> None:
    """In a list of approvers it would read like a person."""
    with pytest.raises(ConfigError, match="can only be used under groups"):
        read(tmp_path, with_rest("").replace("[ann]", "['slack-usergroup:S0614TZR7']"))


@pytest.mark.parametrize(("one", "two"), [("slack: U0A", "slack: U0A"), ("email: a@b.c", "email: A@B.c")])
def test_one_human_has_one_name(tmp_path: Path, one: str, two: str) -> None:
    """Under two names one person would have two votes."""
    people = f"people:\n  ann: {{{one}}}\n  amy: {{{two}}}\n"
    with pytest.raises(ConfigError, match="amy and ann have the same") as caught:
        read(tmp_path, f"{people}routes:\n{LAST}")

    assert "line 3" in caught.value.where


def test_rules_are_read_in_their_order_and_numbered(tmp_path: Path) -> None:
    """Deny means reject; a rule without a name gets its number."""
    rest = (
        f"{DENY}automatic:\n- {{match: {{tool: read}}, decide: approved, note: fine}}\n"
        "- {name: mine, match: {}, callback: 'acme.rules:judge'}\nlog_only: true\n"
    )
    rules = read(tmp_path, with_rest(rest)).policy.rules

    deny = Rule(name="deny-1", match=Match(tool=Pattern(text="drop_db")), verdict=HITLDecision.REJECTED)
    reading = Match(tool=Pattern(text="read"))
    automatic = (
        Rule(name="automatic-1", match=reading, verdict=HITLDecision.APPROVED, note="fine"),
        Rule(name="mine", match=Match(), callback="acme.rules:judge"),
    )
    assert Rules(deny=(deny,), log_only=True, automatic=automatic) == rules


BAD_RESTS = [
    ("automatic:\n- {match: {}}\n", 7, "either `decide` or `callback`"),
    ("automatic:\n- {match: {}, decide: approved, callback: 'a:b'}\n", 7, "either `decide` or `callback`"),
    ("automatic:\n- {match: {}, callback: 'a:b', note: x}\n", 7, "cannot be used with a callback"),
    ("automatic:\n- {match: {}, callback: 'a.b'}\n", 7, "callback"),
    ("automatic:\n- {match: {}, decide: maybe}\n", 7, "decide"),
    ("automatic:\n- {decide: approved}\n", 7, "automatic.0.match is missing"),
    ("deny:\n- {match: {}, decide: approved}\n", 7, "unknown setting `decide`"),
    (f"{DENY}automatic:\n- {{name: deny-1, match: {{}}, decide: skipped}}\n", 9, "a second rule named"),
    ("deny:\n- {name: auto-approve, match: {}}\n", 7, "a second rule named"),
    ("deny:\n- {name: log-only, match: {}}\n", 7, "a second rule named"),
    ("log_only: 1\n", 6, "log_only"),
    ("redact: {shapes: ['(']}\n", 6, "not a regular expression"),
    ("redact: {shapes: ['x*']}\n", 6, "matches empty text"),
    (f"redact: {{shapes: ['{'x' * 301}']}}\n", 6, "longer than 300"),
    ("redact: {names: ['']}\n", 6, "redact.names"),
    ("delegations:\n- {from: ann, to: eve, until: 2026-12-01}\n", 7, "'eve' is not under people"),
    ("delegations:\n- {from: ann, to: ann, until: 2026-12-01}\n", 7, "cannot delegate to themselves"),
    ("delegations:\n- {from: ann, to: bob}\n", 7, "until is missing"),
    ("delegations:\n- {from: ann, to: bob, until: 2026-12-01T09:00:00}\n", 7, "with an offset"),
    ("delegations:\n- {from: ann, to: bob, until: tomorrow}\n", 7, "with an offset"),
    ("delegations:\n- {from: ann, to: bob, until: 9999-12-31}\n", 7, "too far in the past or future"),
    ("retention: 400\n", 6, "must be a duration"),
    ("retention: 1h\n", 6, "retention must be at least 1d"),
    ("poll_every: 0s\n", 6, "poll_every must be at least 100ms"),
    ("poll_every: 400d\n", 6, "poll_every must be at most 1h"),
    ("default_window: 0s\n", 6, "default_window must be at least 1s"),
    ("default_window: 9000d\n", 6, "default_window must be at most 366d"),
    ("flood: 0\n", 6, "flood must be at least 1"),
    ("flood: often\n", 6, "flood must be a whole number"),
    (f"flood: {'9' * 5000}\n", 6, "flood must be a whole number"),
    ("flood: 0x1F\n", 6, "flood must be a whole number"),
    ("flood: 010\n", 6, "flood must be a whole number"),
    ("log_only: on\n", 6, "log_only must be true or false"),
    ("deny: [{match: {}, note: 12}]\n", 6, "put quotes around a number, true, false or null"),
    ("deny: [{match: {}, note: true}]\n", 6, "put quotes around a number, true, false or null"),
    ('deny: [{match: {}, note: "a\\0"}]\n', 6, "cannot be stored"),
    ('deny: [{match: {}, note: "a\\uD800"}]\n', 6, "cannot be stored"),
    ("deny: !!seq [{match: {}}]\nflood: !!int '1'\n", 7, "'tag:yaml.org,2002:int' is a YAML tag"),
    ("groups: {a: &a [*a]}\n", None, "more than 30 levels"),
    ("x-a: &a {<<: *a}\n", None, "more than 30 levels"),
    ("x-a: {<<: [b]}\n", 6, "`<<` needs a mapping"),
    ("redact: {shapes: ['(?R)']}\n", 6, "is recursive"),
    ("redact: {shapes: ['(?<n>a(?&n)?b)']}\n", 6, "is recursive"),
    ("redact: all\n", 6, "redact must hold settings, as in `name: value`"),
    ("alerts: slack:C0A\n", 6, "alerts must be a list, as in [one, another]"),
    ("oncall: {sre: ann}\n", 6, "oncall.sre must hold settings"),
    ("groups: {'a:b': [ann]}\n", 6, "groups.a:b must be a name without colons"),
    ("calendar_hosts: ['https://a.example']\n", 6, "must be hosts without scheme"),
    ("on_unrecoverable_error: [page]\n", 6, "must name functions, such as"),
    ("retention: 99999999999d\n", 6, "too long"),
    ("? [a, b]\n: c\n", 6, "not the name of a setting"),
    ("5: c\n", 6, "is not the name of a setting"),
    ("~: c\n", 6, "is not the name of a setting"),
    ("2026-01-05: c\n", 6, "unknown setting `2026-01-05`"),
    ("on: c\n", 6, "unknown setting `on`"),
    ("on: c\n'on': d\n", 7, "'on' is given twice"),
]


@pytest.mark.parametrize("text", ["", "- a\n", "hello\n", "people: [ann]\n", "people: {ann: }\n"])
def test_a_file_of_the_wrong_kind_is_told_in_its_own_words(tmp_path: Path, text: str) -> None:
    """No name of a class and no pattern: the author of the file knows neither."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)

    assert "missing" in caught.value.what or "must hold settings" in caught.value.what


@pytest.mark.parametrize(
    ("person", "what"), [("email: ann", "an e-mail"), ("slack: ann", "Slack user id"), ("teams: a", "Entra")]
)
def test_how_a_person_is_found_is_shown_by_an_example(tmp_path: Path, person: str, what: str) -> None:
    """The form of each account, as the file would have it."""
    with pytest.raises(ConfigError, match=f"must be .*{what}"):
        read(tmp_path, f"people:\n  ann: {{{person}}}\nroutes:\n{LAST}")


@pytest.mark.parametrize(("rest", "line", "what"), BAD_RESTS)
def test_what_is_wrong_is_named_by_its_line(tmp_path: Path, rest: str, line: int | None, what: str) -> None:
    """Every mistake ends in one line: its place, what is wrong, what to do."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, with_rest(rest))

    assert what in caught.value.what
    assert caught.value.where.endswith(f"line {line}" if line else "nod.yaml")
    assert caught.value.fix


def test_parts_that_come_again_are_written_once(tmp_path: Path) -> None:
    """Merge keys, anchors in sections set aside; what is written beside counts more, then what comes first."""
    text = """
x-few: &few {quorum: 1, approvers: [ann], rejection: quorum}
x-two: &two {<<: *few, quorum: 2, approvers: [ann, NO], cards: [slack:C0A]}
people: {ann: {email: ann@acme.example}, NO: {email: no@acme.example}}
routes:
  - {<<: [*two, *few], name: pay, match: {tool: pay}, rejection: any}
  - {<<: *two, name: default, match: {}}
"""
    pay, default = read(tmp_path, text).policy.routes

    assert (2, ("ann", "NO"), RejectionRule.ANY) == (pay.quorum, pay.approvers, pay.rejection)
    assert RejectionRule.QUORUM is default.rejection


@pytest.mark.parametrize("kind", ["folder", "pipe", "gone", "loop"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    """At once: opening a pipe would wait for a writer."""
    path = tmp_path / "nod.yaml"
    {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "gone": lambda: None,
        "loop": lambda: path.symlink_to(path),
    }[kind]()

    with pytest.raises(ConfigError, match="does not exist" if kind == "gone" else "cannot be read"):
        read_policy_file(path)


@pytest.mark.parametrize(
    ("until", "moment"),
    [
        ("2026-12-01", datetime(2026, 12, 2, tzinfo=UTC)),
        ("'2026-12-01'", datetime(2026, 12, 2, tzinfo=UTC)),
        ("2026-12-01T09:00:00+01:00", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("'2026-12-01T09:00:00Z'", datetime(2026, 12, 1, 9, tzinfo=UTC)),
    ],
)
def test_a_delegation_ends_at_a_moment_or_with_a_day(tmp_path: Path, until: str, moment: datetime) -> None:
    """A day ends with its last second in UTC."""
    rest = f"delegations:\n- {{from: ann, to: bob, until: {until}}}\n"

    assert (Delegation(giver="ann", taker="bob", until=moment),) == read(
        tmp_path, with_rest(rest)
    ).policy.delegations


def test_the_rest_is_read(tmp_path: Path) -> None:
    """What to redact, how long to keep, and a fingerprint that only another text changes."""
    rest = "redact: {names: [employee number], shapes: ['EMP-\\d+']}\nretention: 400d\n"
    file = read(tmp_path, with_rest(rest))

    assert ("employee number",) == file.policy.redaction.names
    assert [r"EMP-\d+"] == [shape.pattern for shape in file.policy.redaction.shapes]
    assert timedelta(days=400) == file.retention
    assert file.policy.version == read(tmp_path, with_rest(rest)).policy.version
    assert file.policy.version != read(tmp_path, with_rest(f"{rest}# reviewed\n")).policy.version


def test_auto_approval_and_denial_exclude_each_other(tmp_path: Path) -> None:
    """Both cannot be meant: the start is refused, and both are named."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, with_rest(DENY), auto_approve=True)

    assert "GLAIP_HITL_AUTO_APPROVE" in caught.value.what
    assert "deny-1" in caught.value.what
    assert read(tmp_path, with_rest(""), auto_approve=True).policy.rules.auto_approve


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]\n",
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{k}: &{k} [{', '.join([f'*{j}'] * 10)}]\n" for j, k in zip("abcdef", "bcdefg", strict=True)
        ),
        "[" * 3_000,
    ],
    ids=["itself", "billions", "deep"],
)
def test_a_file_that_would_never_end_is_refused(tmp_path: Path, text: str) -> None:
    """A live reload must not stop the bot that runs."""
    with pytest.raises(ConfigError):
        read(tmp_path, text)


def test_what_cards_say_and_link_to_is_read(tmp_path: Path) -> None:
    """Names of agents, the page of a run, the pages of refusals, and the people that a card pings."""
    more = "agents: {mail_agent: Mail agent}\nlinks: {run: 'https://acme.example/runs/{run_id}'}\n"
    text = with_route("mention: approvers") + more + "docs_url: https://acme.example/nod\n"
    policy = read(tmp_path, text).policy
    assert {"mail_agent": "Mail agent"} == policy.agents
    assert "https://acme.example/runs/{run_id}" == policy.run_link
    assert "https://acme.example/nod" == policy.docs_url
    assert [True, False] == [route.mentions_approvers for route in policy.routes]


@pytest.mark.parametrize(
    ("rest", "what"),
    [
        ("agents: {a: Mail agent, b: mail agent}", "b and a have the same name"),
        ("links: {run: https://acme.example/runs}", "links.run"),
        ("links: {run: 'https://{run_id}.example/x'}", "links.run"),
        ("links: {run: 'javascript:alert({run_id})'}", "links.run"),
        ("docs_url: docs", "docs_url"),
    ],
)
def test_wrong_names_and_links_are_refused(tmp_path: Path, rest: str, what: str) -> None:
    """An id in the place of the host would choose where the link leads."""
    with pytest.raises(ConfigError, match=what):
        read(tmp_path, with_rest(rest + "\n"))
