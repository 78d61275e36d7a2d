"""What the platform says is read strictly: the guide's samples, drift, hostile JSON, and random bytes."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platform.listing import Pending, Reader, read_pending
from adapters.platform.wire import CONTRADICTED, TOO_LARGE
from bot.call import lines_of, text_of
from bot.canonical import FORM
from bot.errors import Unavailable
from bot.ladder import parse_time
from bot.protocol import UNPRINTABLE, HITLRequest
from bot.redaction import Redaction

#: The item of the public guide.
SAMPLE: dict[str, Any] = {
    "request_id": "bc4d0a77-7800-470e-a91c-7fd663a66b4d",
    "tool": "custom_tool",
    "arguments": {"action": "Finalize Jane Doe's hiring decision"},
    "created_at": "2025-10-08T14:41:01.553063+00:00",
    "agent_id": "hitl_approval_agent-a44ac39b",
    "run_id": None,
    "hitl_metadata": {
        "required": True,
        "decision": "pending",
        "timeout_at": "2025-10-08T15:41:01.553063+00:00",
        "timeout_seconds": 180,
    },
    "additional_context": {
        "tool_name": "custom_tool",
        "arguments": {"action": "Finalize Jane Doe's hiring decision"},
        "agent_id": "hitl_approval_agent-a44ac39b",
    },
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def item(**changes: Any) -> dict[str, Any]:
    return SAMPLE | changes


def metadata(**changes: Any) -> dict[str, Any]:
    return item(hitl_metadata=SAMPLE["hitl_metadata"] | changes)


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in SAMPLE.items() if name not in names}


def read(*items: Any) -> Pending:
    return read_pending(json.dumps(items).encode())


def only(given_item: Any) -> HITLRequest:
    (request,) = read(given_item).requests
    return request


def test_the_documented_sample_is_read_in_full() -> None:
    """Every field of the guide's sample arrives where the core expects it."""
    expected = HITLRequest(
        request_id="bc4d0a77-7800-470e-a91c-7fd663a66b4d",
        tool_name="custom_tool",
        arguments={"action": "Finalize Jane Doe's hiring decision"},
        agent_id="hitl_approval_agent-a44ac39b",
        run_id=None,
        created_at="2025-10-08T14:41:01.553063+00:00",
        timeout_at="2025-10-08T15:41:01.553063+00:00",
        timeout_seconds=180.0,
        whole=True,
    )
    assert Pending(requests=(expected,), set_aside=(), unread_ids=frozenset()) == read(SAMPLE)


def test_the_wrapped_list_is_the_same_list() -> None:
    """The SDK's envelope around the list changes nothing."""
    wrapped = read_pending(json.dumps({"success": True, "data": [SAMPLE]}).encode())
    assert read(SAMPLE) == wrapped


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"<html>busy</html>",
        b'{"success": false, "data": []}',
        b'{"success": true}',
        b'{"data": []}',
        b'{"success": true, "data": {}}',
        b'{"success": true, "success": true, "data": []}',
        b'[{"request_id": "cut',
        b"[] trailing",
        b"NaN",
        b"[" * 200_000,
        b"[1,,2]",
        b"[,1]",
        b"[1,]",
        b"[1 2]",
        b'[{"a": 1} {"b": 2}]',
        b"[}",
        b"[1]]",
        b'{"success": true, "data": [], "data": []}',
        b'{"success": true, "data": [}',
        b'{"success": true, "more": {"data": []}}',
    ],
    ids=lambda body: body[:20].decode(errors="replace"),
)
def test_a_body_that_is_no_list_fails_the_poll(body: bytes) -> None:
    """Nothing is concluded from a page, an error or a cut list, least of all that nothing waits."""
    with pytest.raises(Unavailable):
        read_pending(body)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"request_id": "bad", "request_id": "bad"}', "item 1 contains the same key twice"),
        (f'{{"request_id": "bad", "n": {"9" * 5000}}}', "item 1 contains a number that is too large"),
        (f'{{"request_id": "bad", "a": {"[" * 64}{"]" * 64}}}', "item 1 is nested more than 64 levels deep"),
        ('{"request_id": "bad", "\\udfff": 1}', "item 1 contains half of a surrogate pair"),
        (
            f'{{"request_id": "bad", "a": {"[" * 1000}{"]" * 1000}}}',
            "item 1 is nested more than 64 levels deep",
        ),
        (
            f'{{"request_id": "bad", "a": {"[" * 100_000}{"]" * 100_000}}}',
            "item 1 is nested more than 64 levels deep",
        ),
        ('{"request_id": "bad", "a": "\\x"}', "item 1 is not valid JSON"),
        ('{"a": tru, "request_id": "bad"}', "item 1 is not valid JSON"),
        ('{"a": "\n", "request_id": "bad"}', "item 1 is not valid JSON"),
        ('{"a": 01, "request\\u005fid": "b\\u0061d"}', "item 1 is not valid JSON"),
        ('{"request_id": "bad", "a" 1}', "item 1 is not valid JSON"),
        (f'{{"a": "{"x" * 1_000_000}", "request_id": "bad"}}', "item 1 is longer than 1,000,000 bytes"),
    ],
)
def test_json_that_two_readers_could_take_differently_is_set_aside(bad: str, reason: str) -> None:
    """Such an item is not shown to anybody, its id is kept as still waiting, and the others go on."""
    pending = read_pending(f"[{bad}, {json.dumps(SAMPLE)}]".encode())
    assert ((reason,), frozenset({"bad"})) == (pending.set_aside, pending.unread_ids)
    assert [SAMPLE["request_id"]] == [request.request_id for request in pending.requests]


@pytest.mark.parametrize(
    "bad",
    [
        without("request_id"),
        item(request_id=""),
        item(request_id=" "),
        item(request_id="x" * 201),
        item(request_id=7),
        item(request_id="a\x00b"),
        item(tool=7),
        item(tool="", additional_context={}),
        item(tool="x" * 201),
        item(agent_id=None, additional_context=None),
        item(run_id=7),
        item(hitl_metadata="pending"),
        metadata(decision=True),
        metadata(request_id="another"),
        "a string",
        None,
        [],
    ],
    ids=lambda bad: json.dumps(bad)[:40],
)
def test_an_item_that_drifted_is_set_aside_alone(bad: Any) -> None:
    """A missing or mistyped field spoils its own item only."""
    good = item(request_id="good")
    pending = read(bad, good)
    assert [request.request_id for request in pending.requests] == ["good"]
    assert len(pending.set_aside) == 1


def test_a_reason_never_repeats_the_content() -> None:
    """Reasons are logged, so they name fields and kinds, never values."""
    pending = read(item(tool=["hunter2"], agent_id={"hunter2": 1}, run_id=17))
    (reason,) = pending.set_aside
    assert reason == "item 1 has no usable tool (string_type), agent_id (string_type), run_id (string_type)"


def test_a_flood_of_bad_items_names_a_hundred() -> None:
    """The log is not flooded; how many more there were is said."""
    pending = read(*[None] * 250)
    assert (len(pending.set_aside), pending.set_aside[-1]) == (101, "150 more items could not be read")


def test_missing_names_are_taken_from_the_context() -> None:
    """The runtime repeats tool, arguments and agent in `additional_context`; either place will do."""
    assert only(SAMPLE) == only(without("tool", "arguments", "agent_id"))


def test_unknown_fields_and_missing_extras_are_tolerated() -> None:
    """New fields do not stop approvals; an item needs only its id, tool and agent."""
    bare = only({"request_id": "r", "tool": "t", "agent_id": "a", "arguments": {}, "priority": [1]})
    assert HITLRequest(request_id="r", tool_name="t", agent_id="a", arguments={}) == bare


@pytest.mark.parametrize("word", ["approved", "rejected", "timeout_skip", "something-new", ""])
def test_an_item_that_was_decided_is_not_pending(word: str) -> None:
    """A lingering item with a decision is left out: nobody is asked again, and it is no error."""
    assert Pending(requests=(), set_aside=(), unread_ids=frozenset()) == read(metadata(decision=word))


def test_the_same_item_twice_is_one_request() -> None:
    """A repeated item is neither shown twice nor an error."""
    assert read(SAMPLE) == read(SAMPLE, SAMPLE)


@pytest.mark.parametrize("second", [{"action": "another"}, {"action": True}])
def test_of_two_items_with_one_id_the_first_counts(second: Any) -> None:
    """The second is set aside, and the id still counts as readable."""
    first = item(arguments={"action": 1})
    pending = read(first, item(arguments=second))
    (kept,) = pending.requests
    assert replace(only(first), flaw=CONTRADICTED) == kept
    assert not kept.approvable
    assert pending.set_aside == ("item 2 contradicts an earlier item with the same id",)
    assert frozenset() == pending.unread_ids


def test_an_id_that_was_unreadable_at_first_stays_unread() -> None:
    """A readable repetition does not heal a contradiction."""
    pending = read(item(tool=7), SAMPLE)
    assert ((), frozenset({SAMPLE["request_id"]})) == (pending.requests, pending.unread_ids)


@pytest.mark.parametrize(
    ("given_arguments", "arguments", "whole"),
    [
        ({}, {}, True),
        ([1, "a"], [1, "a"], True),
        ("plain words", "plain words", True),
        (7, 7, True),
        ('{\n  "to": "jane"\n}', {"to": "jane"}, True),
        ("[1, 2]", [1, 2], True),
        ('"quoted"', '"quoted"', True),
        ('{\n  "x": NaN\n}', '{\n  "x": NaN\n}', True),
        ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}', True),
        ('{"a": "\\ud800"}', '{"a": "\\ud800"}', True),
        ("[" * 100 + "]" * 100, "[" * 100 + "]" * 100, True),
        ("[" * 5000, "[" * 5000, True),
        ("short...", "short...", True),
        ('{"a": "' + "x" * 2038 + "...", '{"a": "' + "x" * 2038 + "...", False),
        ('{"a": "' + "x" * 2038 + '..."}', {"a": "x" * 2038 + "..."}, True),
        ("<Non-serializable arguments: dict>", "<Non-serializable arguments: dict>", False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_arguments_come_as_values_text_or_cut_previews(
    given_arguments: Any, arguments: Any, whole: bool
) -> None:
    """Strict JSON text is read, other text stays as it came, and a cut preview is known to be cut."""
    request = only(item(arguments=given_arguments))
    assert (arguments, whole) == (request.arguments, request.whole)


def test_arguments_that_nobody_names_are_not_whole() -> None:
    """An item without arguments may hide them; an explicit null says that there are none."""
    bare = without("arguments", "additional_context")
    assert (only(bare).arguments, only(bare).whole) == (None, False)
    assert (only(bare | {"arguments": None}).arguments, only(bare | {"arguments": None}).whole) == (None, True)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (180, 180.0),
        (0.5, 0.5),
        ("90", 90.0),
        (None, None),
        (True, None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ([], None),
        (10**100, 1e100),
    ],
    ids=str,
)
def test_timeout_seconds_is_a_finite_number_or_nothing(seconds: Any, expected: float | None) -> None:
    """Junk in place of a length falls back to the other sources of the deadline."""
    assert expected == only(metadata(timeout_seconds=seconds)).timeout_seconds


@pytest.mark.parametrize("moment", [1760400000, 20260101, 1712123100000.5, True, {}])
def test_a_number_is_no_moment(moment: Any) -> None:
    """An epoch stays visible in the record, and can never be read as an ISO date by accident."""
    request = only(metadata(timeout_at=moment))
    assert request.timeout_at is not None
    assert parse_time(request.timeout_at) is None
    assert None is only(metadata(timeout_at=None)).timeout_at


@given(st.lists(json_values | json_values.map(lambda value: item(arguments=value)), max_size=4))
def test_any_json_list_is_read_or_set_aside(items: list[Any]) -> None:
    """Whatever JSON a platform sends in a list, reading it raises nothing, and what comes out has a digest."""
    for request in read_pending(json.dumps(items).encode()).requests:
        assert request.digest.startswith(f"{FORM}-")
        assert len(request.digest.rpartition("-")[2]) == 64
        json.dumps(request.arguments).encode()


@given(field=st.sampled_from(sorted(SAMPLE)), value=json_values)
def test_any_value_in_any_field_is_read_or_set_aside(field: str, value: Any) -> None:
    """No single field can take the poll down."""
    pending = read(item(**{field: value}), item(request_id="good"))
    assert "good" in {request.request_id for request in pending.requests} or value == "good"


@given(name=st.sampled_from(sorted(SAMPLE["hitl_metadata"])), value=json_values)
def test_any_metadata_is_read_or_set_aside(name: str, value: Any) -> None:
    """Nor can a field of the metadata."""
    pending = read(metadata(**{name: value}), item(request_id="good"))
    assert "good" in {request.request_id for request in pending.requests}


@given(at=st.integers(0, 700), change=st.binary(max_size=4), cut=st.integers(0, 8))
def test_mutated_bytes_are_a_failed_poll_at_worst(at: int, change: bytes, cut: int) -> None:
    """Bits that flipped on the way raise Unavailable or nothing."""
    body = json.dumps([SAMPLE]).encode()
    with suppress(Unavailable):
        pending = read_pending(body[:at] + change + body[at + cut :])
        assert len(pending.requests) + len(pending.set_aside) <= 1 + len(change)


@pytest.mark.parametrize(
    ("arguments", "reason", "shown"),
    [
        ('{"a": 1, "a": 2}', "contains the same key twice", ["'a': 1", "'a': 2"]),
        ('{"a": NaN}', "contains NaN or Infinity", ["NaN"]),
        ("[-Infinity]", "contains NaN or Infinity", []),
        ("1e999", "contains a number that is too large", []),
        ('"\\ud800"', "contains half of a surrogate pair", ["ud800"]),
        ("[" * 65 + "]" * 65, "is nested more than 64 levels deep", ["["]),
        ("9007199254740993.0", "contains a number that Nod cannot keep exactly", ["9007199254740993.0"]),
        (
            "0.10000000000000000001",
            "contains a number that Nod cannot keep exactly",
            ["0.10000000000000000001"],
        ),
        ("1e-400", "contains a number that Nod cannot keep exactly", ["1e-400"]),
        ("1e-99999999999999999999", "contains a number that Nod cannot keep exactly", []),
    ],
)
def test_a_call_without_a_canonical_form_is_shown_and_never_approvable(
    arguments: str, reason: str | None, shown: list[str]
) -> None:
    """Two readers could take it differently: people see it, and may reject or skip it, but not approve it."""
    item = json.dumps(SAMPLE).replace(json.dumps(SAMPLE["arguments"]), arguments, 1)
    pending = read_pending(f"[{item}]".encode())

    assert ((), 1) == (pending.set_aside, len(pending.requests))
    request = pending.requests[0]
    assert not request.approvable
    assert reason is None or f"the call {reason}" == request.flaw
    assert all(part in str(request.arguments) for part in shown)


def call_of(arguments: str) -> HITLRequest:
    item = json.dumps(SAMPLE).replace(json.dumps(SAMPLE["arguments"]), arguments, 1)
    (request,) = read_pending(f"[{item}]".encode()).requests
    return request


@pytest.mark.parametrize("number", ["1.10", "0.1", "1E2", "-0.0", "100.000", "1.7976931348623157e308"])
def test_a_number_that_keeps_its_value_is_no_flaw(number: str) -> None:
    """Only the value matters, not how it is written."""
    assert (float(number), None) == (call_of(number).arguments, call_of(number).flaw)


def test_an_inexact_number_around_a_call_is_harmless() -> None:
    """A length of time, or a field that nobody reads, may be rounded."""
    text = json.dumps(metadata(timeout_seconds="@", timeout_at="@")).replace('"@"', "180.00000000000000001")
    (request,) = read_pending(f"[{text}]".encode()).requests
    assert (180.0, None) == (request.timeout_seconds, request.flaw)
    assert "180.00000000000000001 (not in ISO 8601)" == request.timeout_at


def test_a_flawed_call_keeps_its_names() -> None:
    """Secrets are redacted by name, in a call that is flawed as in any other."""
    request = call_of('{"x": 1, "x": {"pin": NaN}, "db_password": "hunter2", "\\ud800": "\\udfff"}')
    assert [
        "(contains the same key twice)",
        {"x": 1},
        {"x": {"pin": "(contains NaN or Infinity)"}},
        {"db_password": "hunter2"},
        {"\\ud800": "\\udfff"},
    ] == request.arguments
    assert "hunter2" not in text_of(lines_of(request, redaction=Redaction()))


@pytest.mark.parametrize("levels", [65, 66, 200])
def test_a_flawed_call_ends_at_the_deepest_level(levels: int) -> None:
    """What is nested beyond reading is named, and not shown."""
    for opening, closing in (("[", "]"), ('{"a":', "}"), ('{"a":0,"a":', "}")):
        request = call_of(opening * levels + "1" + closing * levels)
        assert "is nested more than 64 levels deep" in str(request.arguments)
        assert not request.approvable
        read_again = json.dumps(request.arguments)
        assert read_again.count("[") + read_again.count("{") < 200


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ([1] * 3001, "3001 values, 9 KB"),
        ({"rows": [{"k": n} for n in range(3001)]}, "3001 values, 38 KB"),
        ("a" * 300_001, "1 value, 293 KB"),
        ({"db_password": "hunter2", "a": "x" * 300_000}, "2 values, 294 KB"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_call_that_nobody_can_read_is_a_stub(arguments: Any, size: str) -> None:
    """Its size, its hash and its beginning are shown for it, it can only be rejected, and no secret shows."""
    request = only(item(arguments=arguments))
    original = json.dumps(arguments)
    assert isinstance(request.arguments, dict)
    head = request.arguments.pop("(begins with)")
    assert {
        "(too large to show)": size,
        "sha256": hashlib.sha256(original.encode()).hexdigest(),
    } == request.arguments
    assert head == (arguments if isinstance(arguments, str) else original)[:2000]
    assert (TOO_LARGE, False) == (request.flaw, request.approvable)
    assert "hunter2" not in text_of(lines_of(only(item(arguments=arguments)), redaction=Redaction()))


def test_a_large_call_that_can_be_read_stays() -> None:
    """The bounds themselves are within."""
    for arguments in ([1] * 3000, "a" * 299_998):
        assert (arguments, None) == (only(item(arguments=arguments)).arguments, only(item()).flaw)


def test_a_large_flawed_call_is_a_stub_too() -> None:
    """Values under a key that is given twice count each time."""
    request = call_of('{"a": 1, "a": [' + "1," * 3000 + "1]}")
    assert TOO_LARGE == request.flaw
    assert "3002 values" in str(request.arguments)


def test_an_unreadable_item_with_the_same_id_is_a_contradiction_too() -> None:
    """Nobody can know which of the two would run."""
    assert [CONTRADICTED] == [request.flaw for request in read(SAMPLE, item(tool=7)).requests]


def test_times_are_cut() -> None:
    """A time of a megabyte is neither stored nor shown."""
    request = only(metadata(timeout_at="2" * 5000) | {"created_at": "3" * 5000})
    assert ("2" * 64, "3" * 64) == (request.timeout_at, request.created_at)


@pytest.mark.parametrize(
    "digits", ["9007199254740993", "-9007199254740993", "1179312345678901234567890", "9" * 128]
)
def test_an_integer_keeps_all_of_its_digits(digits: str) -> None:
    """Ids of messages and accounts go beyond 2^53-1: every digit counts, and the call can be approved."""
    item = json.dumps(SAMPLE).replace(json.dumps(SAMPLE["arguments"]), f'{{"id": {digits}}}', 1)
    request = read_pending(f"[{item}]".encode()).requests[0]
    last = "4" if digits[-1] == "3" else "3"
    other = read_pending(f"[{item}]".replace(digits, digits[:-1] + last).encode()).requests[0]

    assert ({"id": int(digits)}, True) == (request.arguments, request.approvable)
    assert request.digest != other.digest


@pytest.mark.parametrize("name", ["send\nemail", "send\temail", "send\u200bemail", "\x1b[2Jsend"])
@pytest.mark.parametrize("field", ["tool", "agent_id"])
def test_a_name_that_cannot_be_printed_is_shown_and_never_approvable(field: str, name: str) -> None:
    """It waits like any other, so people can reject or skip it."""
    pending = read(item(**{field: name}))

    assert ((), 1) == (pending.set_aside, len(pending.requests))
    assert UNPRINTABLE == pending.requests[0].flaw


def twice(body: bytes, then: bytes, **bounds: int) -> tuple[Reader, Pending]:
    """A second poll after a first one, as the client reads it."""
    first = Reader(**bounds)
    with suppress(Unavailable):
        first.feed(body)
    second = Reader(known=first.kept)
    second.feed(then)
    return second, second.end()


@given(
    before=st.lists(json_values | st.fixed_dictionaries({"request_id": st.sampled_from("ab")}), max_size=5),
    items=st.lists(st.sampled_from([item(), item(tool="b"), metadata(decision="approved"), 1]), max_size=6),
)
def test_what_was_read_before_says_the_same_again(before: list[Any], items: list[Any]) -> None:
    """Whatever the last poll listed: repeated, contradicted, unreadable or not waiting any more."""
    then = json.dumps([*items, *before]).encode()
    assert read_pending(then) == twice(json.dumps([*before, *items]).encode(), then)[1]


def test_only_what_changed_is_read_again() -> None:
    """An item with the same bytes is the request that was read from it; one byte more, and it is another."""
    known, changed = item(), item(request_id="r2")
    first, read_first = twice(b"[]", json.dumps([known, changed]).encode())
    second = Reader(known=first.kept)
    second.feed(json.dumps([known, changed | {"tool": "other"}]).encode())
    same, other = second.end().requests
    assert same is read_first.requests[0]
    assert "other" == other.tool_name
    assert 2 == len(second.kept)


def test_what_is_kept_for_the_next_poll_is_bounded() -> None:
    """A list of any length leaves no more than that behind, and is read whole."""
    reader = Reader(most_kept=len(json.dumps(item(request_id="r0"))) * 3)
    reader.feed(json.dumps([item(request_id=f"r{number}") for number in range(9)]).encode())
    assert (9, 3) == (len(reader.end().requests), len(reader.kept))


def test_a_list_of_too_many_items_is_not_read_twice_either() -> None:
    """What was read until the bound came is kept: each poll of it would cost seconds."""
    body = json.dumps([item(request_id=f"r{number}") for number in range(9)]).encode()
    assert 9 == len(twice(body, b"[]", most_items=5)[0]._known)
