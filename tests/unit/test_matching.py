"""What a rule is about: told exactly where it can be told, and doubt is never taken for an answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cli.policy_lint import covers
from bot.matching import EVERYTHING, Match, Pattern, value_at
from bot.protocol import HITLDecision, HITLRequest, Json
from bot.routing import Rule, Rules


def a_request(arguments: Json = None, **more: Any) -> HITLRequest:
    usual: dict[str, Any] = {"request_id": "r1", "tool_name": "pay_invoice", "agent_id": "treasury-1"}
    return HITLRequest(**(usual | {"arguments": {} if arguments is None else arguments} | more))


def on(path: str, text: str) -> Match:
    return Match(arguments=((path, Pattern(text=text)),))


@pytest.mark.parametrize(
    ("text", "value", "fits"),
    [
        ("pay_*", "pay_invoice", True),
        ("pay_*", "Pay_invoice", None),
        ("pay_*", "Get_invoice", False),
        ("pay_x", '"pay_x"', None),
        ("pay_x", '["a", "pay_x"]', None),
        ("true", "[TRUE]", None),
        ("false", "［ｆａｌｓｅ］", None),
        ("true", '{"value":\u2003true}', None),
        ("*DROP*", '{"sql": "SELECT 1"}', False),
        ("*DROP*", '{"sql": "\\u0044ROP"}', None),
        ("pay_*", "repay_invoice", False),
        ("pay_*", "pay_\nx", True),
        ("!pay_*", "pay_invoice", False),
        ("!pay_*", "read", True),
        ("! pay_*", "pay_invoice", False),
        ("[ab]?", "a1", True),
        ("true", True, True),
        ("true", "true", True),
        ("1", True, None),
        ("2", True, False),
        ("true", "True", None),
        ("true", "yes", None),
        ("true", 1, None),
        ("true", 0, False),
        ("false", "off", None),
        ("123", "123", True),
        ("123", "0123", None),
        ("123", "1.23e2", None),
        ("123", "１２３", None),
        ("123", "1 23", None),
        ("123", "124", False),
        ("123", "0x7B", None),
        ("123", "0b111_1011", None),
        ("123", "123 EUR", None),
        ("123", "room 123", False),
        ("1000*", 1e60, None),
        ("ann*", 1e60, False),
        ("ann", f'["ann", {"9" * 5000}]', None),
        ("ann", '"bob"\n"ann"', None),
        ("ann", '["ann",]', None),
        ("ann", "['ann']", None),
        ("ann", "{to: ann}", None),
        ("ann", '["ann"', None),
        ("ann", "[urgent] hello", False),
        ("ann", '["ann", 5]', None),
        ("ann, bob", "['ann, bob']", None),
        ("ann, bob", '["ann, bob",]', None),
        ("ann", "[" * 100_000, None),
        ("true", 2, None),
        ("true", 0.5, None),
        ("true", "enabled", None),
        ("true", None, False),
        ("true", "", False),
        ("true", "no", False),
        ("false", None, None),
        ("false", "", None),
        ("false", "yes", False),
        ("/tmp/*", "/tmp/x", True),
        ("/tmp/*", "/tmp/a/../../etc/passwd", None),
        ("/tmp/*", "/tmp/%2e%2e/etc/passwd", None),
        ("/tmp/*", "/tmp/..", None),
        ("/etc", "/tmp\\..\\etc", None),
        ("/tmp/*", "/tmp/../etc/passwd?://", None),
        ("C:\\tmp\\*", "C:\\tmp\\x", True),
        ("C:\\tmp\\*", "C:\\tmp\\..\\x", None),
        ("/etc/*", "/tmp/../etc/passwd", None),
        ("/etc/*", "//etc/./passwd", None),
        ("/", "/./", None),
        ("/", "/x/../", None),
        ("/etc", "/etc/", None),
        ("/etc", "/etc/.", None),
        ("/etc/", "/tmp/../etc/", None),
        ("!/etc", "/etc/", None),
        ("C:\\etc", "C:\\etc\\", None),
        ("/etc", "/tmp/", False),
        ("/etc/*", "/etc/", True),
        ("!/etc/*", "/tmp/../etc/passwd", None),
        ("https://a.example/docs/*", "https://a.example/docs/x%20y", True),
        ("https://a.example/docs/*", "https://a.example/docs/../admin", None),
        ("a//b", "a//b", True),
        ("123", 123.0, True),
        ("0123", "0123", True),
        ("1*", 1000, True),
        ("1*", "1000", True),
        ("10*", "1e3", None),
        ("1?.50", 12.5, None),
        ("1?.5000", 12.5, None),
        ("*50", 12.5, None),
        ("*51", 12.5, False),
        ("00?2", 12, None),
        ("000?", 1, None),
        ("?2.5", "12.50", None),
        ("-0?2", -12, None),
        ("-0?2", 12, False),
        ("+1?", 12, None),
        ("+1?", -12, False),
        ("1?.0", 12, None),
        ("1?.1", 12, False),
        ("1.?e*", 12, None),
        ("2*", 10**50, False),
        ("2*", 10**51, None),
        ("1000", "1,000 EUR", None),
        ("15", "0o17", None),
        ("15", "0x_f", None),
        ("-15", "-0xF", None),
        ("0", "0x_", None),
        ("15", "0x_", False),
        ("+49*", "+4917", True),
        ("НЕТ", "НЕТ", True),
        ("НЕТ", "нет", None),
        ("NO", "ΝО", None),
        ("null", None, True),
        ("12", 12, True),
        ("1.5", 1.5, True),
        (">= 1000", 1000, True),
        (">= 1000", 999.99, False),
        ("> 1000", 1000, False),
        ("< 0", -0.5, True),
        ("<=0", 0, True),
        (">= 1000", "1000.00", None),
        (">= 1000", "  2e3 ", None),
        (">= 0.1", 0.1, True),
        ("!>= 1000", 5, True),
        ("!>= 1000", 5000, False),
        (">= 1000", "lots", None),
        ("!>= 1000", "lots", None),
        (">= 1000", "NaN", None),
        (">= 1000", "Infinity", None),
        (">= 1000", True, None),
        (">= 1000", None, None),
        (">= 1000", [5000], None),
        ("evil@*", ["evil@example.com"], None),
        ("!evil@*", {"to": "evil@example.com"}, None),
    ],
)
def test_a_pattern_fits_or_not_or_cannot_tell(text: str, value: Json, fits: bool | None) -> None:
    """Whole names, numbers however they are written, and None for what is neither yes nor no."""
    assert fits is Pattern(text=text).fits(value)


@pytest.mark.parametrize("text", [">= many", "> 1,000", "!< x", ">= NaN", ">=", "!>"])
def test_a_comparison_with_no_number_cannot_be_written(text: str) -> None:
    """It would never match, which in a deny means always allowed."""
    with pytest.raises(ValueError, match="does not compare with a number"):
        Pattern(text=text)


@pytest.mark.parametrize("more", [{"whole": False}, {"flaw": "it contains the same key twice"}], ids=str)
def test_of_a_call_that_may_be_another_nothing_is_told(more: dict[str, Any]) -> None:
    """The platform cut it, or two readers could read it differently: even what can be seen is in doubt."""
    assert (None, None) == value_at(a_request({"a": 1}, **more), "a")
    assert (None, None) == value_at(a_request({"a": 1}, **more), "b")
    assert on("a", "1").told(a_request({"a": 1}, **more)) is None


@pytest.mark.parametrize(
    ("text", "value", "fits"),
    [
        ("null", None, True),
        ("nul?", None, True),
        ("None", None, False),
        ("tr*", True, True),
        ("fal*", False, True),
        ("fal*", True, False),
        ("True", True, None),
        ("1.5", 1.5, True),
        ("1.50", 1.5, True),
        ("1.5", 1.25, False),
        ("1*", 12, True),
        ("1.?", 1.5, True),
        (">= 10.5", 10.5, True),
        (">= 10.5", 10.49, False),
        ("< 0.3", 0.3, False),
        ("<= 0.3", 0.3, True),
        ("> 1e3", 1000, False),
        ("> -1", -0.5, True),
        (">= 10", "10", None),
        (">= 1", True, None),
        (">= 1", None, None),
    ],
)
def test_numbers_and_words_are_compared_as_they_are(text: str, value: Json, fits: bool | None) -> None:
    """To every digit, null and booleans by JSON's words for them; a comparison is about numbers only."""
    assert Pattern(text=text).fits(value) is fits


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a", (True, {"b": [1, {"c": None}]})),
        ("a.b.0", (True, 1)),
        ("a.b.1.c", (True, None)),
        ("a.b.2", (None, None)),
        ("a.b.-1", (None, None)),
        ("a.b." + "9" * 5000, (None, None)),
        ("a.x", (False, None)),
        ("a.b.1.x", (False, None)),
        ("a.b.1.0", (None, None)),
        ("a.b.0.x", (None, None)),
    ],
)
def test_a_path_leads_through_objects_and_lists(path: str, found: tuple[bool | None, Json]) -> None:
    """Dots lead down; a number is a place in a list."""
    assert found == value_at(a_request({"a": {"b": [1, {"c": None}]}}), path)


@pytest.mark.parametrize("again", ["arguments.a", "arguments.a.b", "a.b", "A", "a[0]"])
def test_another_key_that_may_be_the_path_makes_doubt(again: str) -> None:
    """A program that reads dotted keys, or other letters, would take the other one."""
    assert value_at(a_request({"a": {"b": 1}}), "a.b") == (True, 1)
    assert value_at(a_request({"a": {"b": 1}, again: 2}), "a.b") == (None, None)


def test_a_match_says_what_it_is_about() -> None:
    """As nod.yaml has it."""
    outside = Match(tool=PAY, arguments=(("amount", Pattern(text=">= 1000")),), without=Match(agent=AGENT))
    assert str(outside) == "tool pay_*, amount >= 1000, but not agent t*"
    assert str(Match(tool=PAY)) == "tool pay_*"
    assert str(EVERYTHING) == "all other requests"


PAY, OTHER, MANY = Pattern(text="pay_*"), Pattern(text="x"), on("n", ">= 1")
AGENT = Pattern(text="t*")
MATCHES = [
    ("everything", EVERYTHING, {}, True, (True, True)),
    ("all that is asked fits", Match(tool=PAY, agent=AGENT), {}, True, (True, True)),
    ("one of them does not", Match(tool=PAY, agent=OTHER), {}, True, (False, False)),
    ("missing from a whole call", MANY, {}, True, (False, False)),
    ("missing, negated", on("n", "!x"), {}, True, (True, True)),
    ("missing from a cut call", MANY, "{...", False, (True, False)),
    ("missing from a cut call, negated", on("n", "!x"), "{...", False, (True, False)),
    ("another kind of value", MANY, {"n": "x"}, True, (True, False)),
    ("exception holds", Match(without=Match(tool=PAY)), {}, True, (False, False)),
    ("exception does not hold", Match(without=Match(tool=OTHER)), {}, True, (True, True)),
    ("exception in doubt", Match(without=MANY), {"n": "x"}, True, (True, False)),
    ("exception of one in doubt", Match(without=Match(without=MANY)), {"n": "x"}, True, (True, False)),
    ("no outweighs doubt", Match(tool=OTHER, arguments=MANY.arguments), {"n": "x"}, True, (False, False)),
]


@pytest.mark.parametrize(
    ("match", "arguments", "whole", "takes"), [row[1:] for row in MATCHES], ids=[row[0] for row in MATCHES]
)
def test_a_match_takes_what_fits(match: Match, arguments: Json, whole: bool, takes: tuple[bool, bool]) -> None:
    """The pair is the answer where doubt means yes, and where it means no."""
    request = a_request(arguments, whole=whole)

    assert takes == (match.takes(request, in_doubt=True), match.takes(request, in_doubt=False))


texts = st.sampled_from(["*", "a*", "?b", "x", "true", "1", "1*", "*1", "t*", ">= 1", "< 2.5"])
patterns = st.builds(lambda bang, text: Pattern(text=bang + text), st.sampled_from(["", "!"]), texts)
leaves = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(["ab", "x", "1", ""])
)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("k"), inner))
matches = st.recursive(
    st.builds(
        Match,
        tool=st.none() | patterns,
        arguments=st.lists(st.tuples(st.sampled_from(["n", "m", "n.k"]), patterns), max_size=2).map(tuple),
    ),
    lambda inner: st.builds(Match, tool=st.none() | patterns, without=inner),
    max_leaves=3,
)
requests = st.builds(
    lambda tool, arguments, whole: a_request(arguments, tool_name=tool, whole=whole),
    st.sampled_from(["ab", "x", "a"]),
    st.dictionaries(st.sampled_from(["n", "m"]), values),
    st.booleans(),
)


@given(text=texts, value=values)
def test_negation_turns_an_answer_round_and_leaves_doubt(text: str, value: Json) -> None:
    """Not knowing is not knowing, on both sides of a `!`."""
    fits = Pattern(text=text).fits(value)

    assert (None if fits is None else not fits) is Pattern(text=f"!{text}").fits(value)


@given(match=matches, request=requests)
def test_doubt_only_ever_adds(match: Match, request: HITLRequest) -> None:
    """What is taken without any doubt is taken with it too, however negations are nested."""
    if match.takes(request, in_doubt=False):
        assert match.takes(request, in_doubt=True)


@given(match=matches, request=requests)
def test_an_exception_is_the_opposite(match: Match, request: HITLRequest) -> None:
    """A request is taken by a match or by `not` that match, in doubt by both or by neither."""
    outside = Match(without=match)

    assert match.takes(request, in_doubt=True) is not outside.takes(request, in_doubt=False)
    assert match.takes(request, in_doubt=False) is not outside.takes(request, in_doubt=True)


@given(match=matches, request=requests)
def test_doubt_never_approves_and_always_denies(match: Match, request: HITLRequest) -> None:
    """A rule that approves is sure; one that denies need not be."""
    approve = Rules(automatic=(Rule(name="yes", match=match, verdict=HITLDecision.APPROVED),))
    deny = Rules(deny=(Rule(name="no", match=match, verdict=HITLDecision.REJECTED),))

    if approve.rule_for(request) is not None:
        assert request.approvable
        assert match.takes(request, in_doubt=False)
    assert match.takes(request, in_doubt=True) is (deny.rule_for(request) is not None)
    assert deny.rule_for(request) == deny.denial_of(request)


@given(earlier=matches, later=matches, request=requests)
def test_what_is_called_dead_is_dead(earlier: Match, later: Match, request: HITLRequest) -> None:
    """Lint says that a route is never reached only where each of its requests is taken before."""
    if covers(earlier, later):
        for in_doubt in (True, False):
            assert earlier.takes(request, in_doubt=in_doubt) or not later.takes(request, in_doubt=in_doubt)
