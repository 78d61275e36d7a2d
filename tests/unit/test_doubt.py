"""An agent that writes a call in another way makes its treatment stricter, or leaves it as it is.

The other ways are those that a tool may read as the same call: keys and values spelled otherwise, other types,
other shapes, decoys beside the real argument. The calls that are compared with are plain: no condition of the
policy is in doubt about them.
"""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.matching import Match, Pattern
from bot.policy import Policy
from bot.protocol import HITLDecision, HITLRequest, Json
from bot.routing import Route, Rule, Rules
from bot.surface import Destination, Surface

HERE = Destination(surface=Surface.SLACK, channel="C1")
LIKE = dict(zip("aceopxyABEHKMOPTXi", "асеорхуАВЕНКМОРТХі", strict=True))
NUMBERS = [0, 1, 5, 999, 1000, 5000, 0.5, 1000.5]
TEXTS = ["EUR", "no", "NO", "ann", "0123", "123", "pay all", "x/y", "Straße", "ＦＸ", "НЕТ"]
CONDITIONS: dict[str, list[str]] = {
    "order.amount": [">= 1000", "< 1000", "5000", "!> 999", "1*", "!5000"],
    "order.lines.0.sku": ["EUR", "n*", "!123", "NO"],
    "order_ref": ["0123", "123", "!0123", "E*", "НЕТ"],
    "force": ["true", "false", "!true"],
    "to": ["ann", "*a*", "!ann", "[a-n]*", "EUR", "pay all", "Straße"],
    "extra": ["x", "!x", "*"],
}
TOOLS, AGENTS = ["pay_invoice", "drop_db", "read_file"], ["mail-agent", "treasury"]


def a_match(dice: random.Random, *, nested: bool = True) -> Match:
    paths = dice.sample(list(CONDITIONS), dice.choice([0, 1, 1, 2]))
    return Match(
        tool=Pattern(text=dice.choice(["pay_*", "drop_*", "!read_*", "*_file"]))
        if dice.random() < 0.4
        else None,
        agent=Pattern(text=dice.choice(["mail-*", "!treasury"])) if dice.random() < 0.2 else None,
        arguments=tuple((path, Pattern(text=dice.choice(CONDITIONS[path]))) for path in paths),
        without=a_match(dice, nested=False) if nested and dice.random() < 0.4 else None,
    )


def a_policy(dice: random.Random) -> Policy:
    def rules(kind: str, verdicts: list[HITLDecision | None]) -> tuple[Rule, ...]:
        found = []
        for number in range(dice.choice([0, 1, 2])):
            verdict = dice.choice(verdicts)
            found.append(
                Rule(
                    name=f"{kind}-{number}",
                    match=a_match(dice),
                    verdict=verdict,
                    callback=None if verdict else "acme:judge",
                )
            )
        return tuple(found)

    def route(name: str, match: Match) -> Route:
        approvers = tuple(dice.sample("abcdef", dice.choice([0, 1, 2, 3])))
        return Route(name=name, match=match, cards=(HERE,), approvers=approvers, quorum=dice.choice([1, 1, 2]))

    routes = [route(f"r{number}", a_match(dice)) for number in range(dice.choice([0, 1, 2, 3]))]
    return Policy(
        people={},
        groups={},
        routes=(*routes, route("default", Match())),
        rules=Rules(
            deny=rules("deny", [HITLDecision.REJECTED]),
            automatic=rules("automatic", [*HITLDecision, HITLDecision.APPROVED, None]),
        ),
    )


def a_call(dice: random.Random) -> HITLRequest:
    arguments: dict[str, Json] = {
        "order": {
            "amount": dice.choice(NUMBERS),
            "lines": [{"sku": dice.choice(TEXTS)}, {"sku": dice.choice(TEXTS)}][: dice.choice([1, 2])],
        },
        "order_ref": dice.choice(TEXTS),
        "force": dice.choice([True, False]),
        "to": dice.choice(TEXTS),
    }
    for key in dice.sample(list(arguments), dice.choice([0, 0, 1])):
        del arguments[key]
    return HITLRequest(
        request_id="r1", tool_name=dice.choice(TOOLS), agent_id=dice.choice(AGENTS), arguments=arguments
    )


def spelled(text: str, dice: random.Random) -> str:
    """Another spelling of the same text."""
    at = dice.randrange(len(text) + 1)
    ways: list[Callable[[], str]] = [
        lambda: text.upper(),
        lambda: text.lower(),
        lambda: text.swapcase(),
        lambda: text + dice.choice([" ", "\n", "\t", "\u00a0"]),
        lambda: f" {text}",
        lambda: text[:at] + dice.choice("\u200b\u2060\ufeff\u00ad\u034f\u200d\ufe0f\U000e0041\x00") + text[at:],
        lambda: "".join(LIKE.get(char, char) if dice.random() < 0.5 else char for char in text),
        lambda: "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text),
        lambda: unicodedata.normalize(dice.choice(["NFD", "NFKD", "NFKC"]), text),
        lambda: text.replace("-", "‐").replace(" ", "\u2003"),
    ]
    for _ in range(dice.choice([1, 1, 2])):
        text = dice.choice(ways)()
    return text


def renamed(key: str, dice: random.Random) -> str:
    """Another spelling of an argument's name."""
    words = key.split("_")
    ways = [
        words[0] + "".join(map(str.title, words[1:])),
        "-".join(words),
        f"{key}_",
        f"${key}",
        " ".join(words),
    ]
    return spelled(key, dice) if dice.random() < 0.6 else dice.choice(ways)


def retyped(value: Any, dice: random.Random) -> Json:
    """A plain value as another kind of value that may be read alike."""
    wraps: list[Callable[[], Json]] = [
        lambda: [value],
        lambda: json.dumps(value),
        lambda: json.dumps([value]),
        lambda: json.dumps(json.dumps(value)),
    ]
    if not str(value).startswith(("{", "[")):  # a text of JSON that an object was before
        wraps += [lambda: {"value": value}, lambda: json.dumps({"value": value})]
    if isinstance(value, bool):
        wraps += [
            lambda: int(value),
            lambda: "yes" if value else "no",
            lambda: str(value),
            lambda: float(value),
        ]
    elif isinstance(value, int | float):
        wraps += [lambda: float(value), lambda: f"{value:e}", lambda: f"0{value}", lambda: f"+{value}"]
        wraps += [
            lambda: f"{value:,}",
            lambda: f" {value}",
            lambda: f"{value}.0" if value == int(value) else value,
        ]
    elif isinstance(value, str):
        wraps += [lambda: spelled(value, dice)] * 8
    return dice.choice(wraps)()


def reshaped(arguments: Json, dice: random.Random) -> Json:
    """The same call to a tool that is generous in what it reads."""
    if not isinstance(arguments, dict) or not arguments:
        return arguments
    key = dice.choice(list(arguments))
    value, rest = arguments[key], {name: inner for name, inner in arguments.items() if name != key}
    decoys: list[Json] = [None, 0, "x", "ann", 1, {}, []]
    ways: list[Callable[[], Json]] = [
        lambda: {**rest, renamed(key, dice): value},
        lambda: {**rest, key: dice.choice(decoys), renamed(key, dice) + "_": value},
        lambda: {**rest, key: [value]},
        lambda: {**rest, key: json.dumps(value)},
        lambda: {key: value, **rest},
        lambda: json.dumps(arguments),
        lambda: [arguments],
    ]
    if isinstance(value, dict):
        ways += [lambda: {**rest, key: reshaped(value, dice)}] * 4
        ways += [
            lambda: {
                **rest,
                **{f"{key}{dice.choice(['.', '_', '/', ''])}{name}": inner for name, inner in value.items()},
            },
            lambda: {**rest, key: {"amount": 0}, **{f"{key}.{name}": inner for name, inner in value.items()}},
        ]
    elif isinstance(value, list) and value:
        ways += [lambda: {**rest, key: value[0]}, lambda: {**rest, key: [reshaped(value[0], dice), *value[1:]]}]
        ways += [lambda: {**rest, key: {str(place): item for place, item in enumerate(value)}}]
        ways += [lambda: {**rest, f"{key}[0]": value[0]}, lambda: {**rest, f"{key}.0": value[0]}]
    else:
        ways += [lambda: {**rest, key: retyped(value, dice)}] * 4
    return dice.choice(ways)()


def rewritten(request: HITLRequest, dice: random.Random) -> HITLRequest:
    """The call in another way."""
    changes: dict[str, Any] = {}
    match dice.randrange(12):
        case 0:
            changes = {"tool_name": spelled(request.tool_name, dice)}
        case 1:
            changes = {"agent_id": spelled(request.agent_id, dice)}
        case 2:
            changes = {"whole": False}
        case 3:
            changes = {"flaw": "a key is given twice", "arguments": {"order": {"amount": 0}}}
        case _:
            changes = {"arguments": reshaped(request.arguments, dice)}
            if dice.random() < 0.3:
                changes["arguments"] = reshaped(changes["arguments"], dice)
    fields = {"request_id": "r1", "tool_name": request.tool_name, "agent_id": request.agent_id}
    return HITLRequest(**(fields | {"arguments": request.arguments} | changes))


def strictness(policy: Policy, request: HITLRequest) -> tuple[int, ...]:
    """How a request is treated: the larger, the stricter."""
    rule = policy.rules.rule_for(request)
    if rule is not None:
        # A callback may approve, so nothing is laxer than to ask it.
        return (9,) if rule.verdict in (HITLDecision.REJECTED, HITLDecision.SKIPPED) else (0,)
    route = policy.route_of(request)
    if not request.approvable:
        return (8,)
    return (1, not route.approvers, route.quorum, -len(route.approvers))


def is_plain(policy: Policy, request: HITLRequest) -> bool:
    matches = [route.match for route in policy.routes]
    matches += [rule.match for rule in (*policy.rules.deny, *policy.rules.automatic)]
    return all(match.takes(request, in_doubt=True) is match.takes(request, in_doubt=False) for match in matches)


def laxer(count: int, *, seed: int) -> list[str]:
    """Of so many pairs of a policy and a call, those where another way of writing the call is treated laxer."""
    dice, found, met = random.Random(seed), [], 0
    policy = a_policy(dice)
    while met < count:
        policy = a_policy(dice) if met % 5 == 0 else policy
        call = a_call(dice)
        if not is_plain(policy, call):
            continue
        met += 1
        other = rewritten(call, dice)
        if strictness(policy, other) < strictness(policy, call):
            found.append(f"{call.tool_name} {call.arguments} -> {other} by {policy.rules} {policy.routes}")
    return found


def test_writing_a_call_in_another_way_makes_nothing_laxer() -> None:
    """Conditions on names, arguments, negations; denials, routes and automatic answers in any order."""
    assert [] == laxer(400, seed=12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_in_a_hundred_thousand_pairs_nothing_gets_laxer(seed: int) -> None:
    """The same at length."""
    assert [] == laxer(10_000, seed=seed)


DENY_LARGE = Rules(
    deny=(
        Rule(
            name="no",
            match=Match(arguments=(("order.amount", Pattern(text="> 1000")),)),
            verdict=HITLDecision.REJECTED,
        ),
    )
)
APPROVE_SMALL = Rules(
    automatic=(
        Rule(
            name="yes",
            match=Match(without=Match(arguments=(("order.amount", Pattern(text=">= 1000")),))),
            verdict=HITLDecision.APPROVED,
        ),
    )
)


@pytest.mark.parametrize(
    "arguments",
    [
        {"order": [{"amount": 5000}]},
        {"order": '{"amount":5000}'},
        {"order.amount": 5000},
        {"order": 5000},
        {"order": None},
        {"order": {"amount": "5000"}},
        {"order": {"amount": [5000]}},
        {"order": {"amount": 1, "Amount": 5000}},
        {"order": {"amount": 1, "amount\u200b": 5000}},
        {"order": {"ａｍｏｕｎｔ": 5000}},
        {"order": {"аmount": 5000}},
        {"order": {"amount": 1}, "order.amount": 5000},
        {"order": {"amount": 1}, "order[amount]": 5000},
        {"order": {"amount": 1}, "Order": {"amount": 5000}},
        {"orderAmount": 5000},
        {"order[0].amount": 5000},
        {"order": {"amount[]": 5000}},
        [{"order": {"amount": 5000}}],
        '{"order": {"amount": 5000},}',
        None,
    ],
)
def test_what_may_be_read_as_the_argument_is_in_doubt(arguments: Json) -> None:
    """A denial takes it, and an automatic approval does not."""
    request = HITLRequest(request_id="r1", tool_name="pay", agent_id="a", arguments=arguments)

    assert DENY_LARGE.rule_for(request) is not None
    assert APPROVE_SMALL.rule_for(request) is None


@pytest.mark.parametrize("arguments", [{}, {"order": {}}, {"order": {"currency": "EUR"}, "amount": 5000}])
def test_a_key_that_an_object_lacks_is_missing(arguments: Json) -> None:
    """Nothing is in doubt then."""
    request = HITLRequest(request_id="r1", tool_name="pay", agent_id="a", arguments=arguments)

    assert DENY_LARGE.rule_for(request) is None
    assert APPROVE_SMALL.rule_for(request) is not None


@pytest.mark.parametrize(
    "tool",
    [
        "pay_refund ",
        "Pay_refund",
        "pay_refund\u200b",
        "рay_refund",
        "ｐａｙ_refund",
        "PAY_REFUND",
        "pay_refund\n",
    ],
)
def test_a_tool_that_is_spelled_like_another_is_in_doubt(tool: str) -> None:
    """So are agents: the names on a card may look the same."""
    match = Match(tool=Pattern(text="pay_refund"))
    request = HITLRequest(request_id="r1", tool_name=tool, agent_id="a", arguments={})

    assert match.told(request) is None
    assert Match(without=match).told(request) is None
    assert Match(agent=Pattern(text="pay_refund")).told(replace(request, tool_name="x", agent_id=tool)) is None


def a_route(name: str, match: Match, approvers: str, quorum: int = 1) -> Route:
    return Route(name=name, match=match, cards=(HERE,), approvers=tuple(approvers), quorum=quorum)


SMALL = Match(arguments=(("amount", Pattern(text="< 1000")),))
LARGE = Match(arguments=(("amount", Pattern(text=">= 1000")),))
MANY = a_route("many", EVERYBODY := Match(), "abcdef")
FEW = a_route("few", EVERYBODY, "a")
TWO = a_route("two", EVERYBODY, "abcdef", 2)
NOBODY = a_route("nobody", EVERYBODY, "")


@pytest.mark.parametrize(
    ("routes", "goes"),
    [
        ((replace(MANY, match=SMALL), FEW), "few"),
        ((replace(MANY, match=SMALL), TWO), "two"),
        ((replace(TWO, match=LARGE), MANY), "two"),
        ((replace(TWO, match=LARGE), FEW), "two"),
        ((replace(MANY, match=SMALL), NOBODY), "nobody"),
        ((replace(MANY, match=SMALL), replace(FEW, match=SMALL), TWO), "two"),
        ((replace(MANY, match=SMALL), MANY, NOBODY), "many"),
        ((replace(FEW, match=SMALL), a_route("other", EVERYBODY, "b")), "few"),
    ],
)
def test_doubt_takes_the_strictest_route(routes: tuple[Route, ...], goes: str) -> None:
    """Of those in doubt and the first that matches: nobody, then more people, then fewer to choose from."""
    policy = Policy(people={}, groups={}, routes=routes)
    request = HITLRequest(request_id="r1", tool_name="pay", agent_id="a", arguments={"amount": "500"})

    assert goes == policy.route_of(request).name


SKIP = Rule(name="skip", match=SMALL, verdict=HITLDecision.SKIPPED)
ASK = Rule(name="ask", match=SMALL, callback="acme:judge")
YES = Rule(name="yes", match=Match(), verdict=HITLDecision.APPROVED)
NO = Rule(name="no", match=Match(), verdict=HITLDecision.REJECTED)


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        ((SKIP, YES), "skip"),
        ((ASK, YES), None),
        ((ASK, NO), "no"),
        ((replace(YES, match=SMALL), YES), None),
    ],
)
def test_no_rule_approves_behind_one_in_doubt(rules: tuple[Rule, ...], name: str | None) -> None:
    """The one in doubt may be there to keep it from that: then people are asked."""
    request = HITLRequest(request_id="r1", tool_name="pay", agent_id="a", arguments={"amount": "500"})

    rule = Rules(automatic=rules).rule_for(request)

    assert name == (rule.name if rule else None)
