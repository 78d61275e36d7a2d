"""A call as lines: everything is there, in its own order, and nothing can pass for something else."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.call import HIDES_TEXT, Line, excerpt, hides_text, lines_of, size_of, text_of, warnings_of
from bot.marks import GAPPED
from bot.protocol import HITLRequest, Json
from bot.redaction import Redaction
from bot.wording import LONGEST_NAME, name_of

PLAIN = Redaction()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"to": "jane", "n": 1}, "to  jane\nn   1"),
        ({"a": {"b": [True, None]}}, "a.b[0]  true\na.b[1]  null"),
        ({"body": "Dear Jane,\nhello", "n": 1}, "body\n    Dear Jane,\n    hello\nn  1"),
        ({}, "  {}"),
        ({"empty": [], "none": {}}, "empty  []\nnone   {}"),
        ("just text", "  just text"),
        ({"a.b": 1, "to\nsubject": 2}, '"a.b"          1\n"to\\nsubject"  2'),
    ],
)
def test_call_as_text(make_request: Callable[..., HITLRequest], arguments: Json, text: str) -> None:
    """Keys in the call's order, nested keys dotted, values aligned; a key that could mislead is quoted."""
    assert text == text_of(lines_of(make_request(arguments=arguments), redaction=PLAIN))


@given(JSON)
def test_nothing_is_left_out(arguments: Json) -> None:
    """Each leaf of the call is one line with its whole value."""
    request = HITLRequest(request_id="r", tool_name="t", arguments=arguments, agent_id="a")

    def leaves(value: Json) -> int:
        if isinstance(value, dict) and value:
            return sum(leaves(inner) for inner in value.values())
        if isinstance(value, list) and value:
            return sum(leaves(inner) for inner in value)
        return 1

    lines = lines_of(request, redaction=PLAIN)

    assert leaves(arguments) == len(lines)
    assert len({line.key for line in lines}) == len(lines)


def test_a_value_cannot_start_a_line_of_its_own(make_request: Callable[..., HITLRequest]) -> None:
    """A line break inside a value is indented, so that it never looks like another argument."""
    text = text_of(lines_of(make_request(arguments={"note": "x\namount  1", "amount": 999}), redaction=PLAIN))

    assert [line for line in text.split("\n") if line.startswith("amount")] == ["amount  999"]


def test_a_short_call_is_shown_whole(make_request: Callable[..., HITLRequest]) -> None:
    """Nothing is hidden, and so nothing is said to be."""
    lines = (Line(key="to", value="jane"),)

    assert (lines, None) == excerpt(lines, request=make_request())


def test_a_long_call_says_how_much_is_hidden(make_request: Callable[..., HITLRequest]) -> None:
    """Long values keep both ends and name their size; the rest is counted."""
    lines = (
        Line(key="body", value="A" * 5000 + "Z" * 5000),
        *(Line(key=f"k{n}", value="1") for n in range(30)),
    )

    shown, hidden = excerpt(lines, request=make_request())

    assert hidden is not None
    assert hidden == 'Showing 17 of 32 lines. Open "View all" to approve.'
    assert shown[0].value.startswith("AAA")
    assert shown[0].value.endswith("ZZZ")
    assert "1 line, 9.8 KB" == shown[0].note


def test_a_cut_preview_is_never_called_whole(make_request: Callable[..., HITLRequest]) -> None:
    """Short or not: what the platform cut, nobody has seen."""
    _, hidden = excerpt((Line(key="", value="short"),), request=make_request(whole=False))

    assert hidden is not None


def test_size_in_words() -> None:
    """Lines and bytes, as a person would say them."""
    assert "2 lines, 7 B" == size_of((Line(key="", value="a\nb"),))


@pytest.mark.parametrize(
    ("value", "warned"),
    [("x" + " " * 40 + "amount  1", True), ("a    b", False), ("  indented\n    code", False)],
)
def test_a_gap_that_could_fake_a_line_is_named(
    make_request: Callable[..., HITLRequest], value: str, warned: bool
) -> None:
    """A chat wraps long lines at its left edge, where arguments begin: spaces that aim for it are named."""
    request = make_request(arguments={"note": value})

    assert warned == (GAPPED in warnings_of(request, redaction=PLAIN))


@pytest.mark.parametrize(
    ("arguments", "hides"),
    [
        ({"auth": "rm -rf /srv"}, True),
        ({"token": "__import__('os').system('id')"}, True),
        ({"headers": {"Authorization": "Bearer rm -rf /srv"}}, True),
        ({"auth": {"run": "rm -rf /srv"}}, False),
        ({"session": {"command": "reboot", "host": "db-1"}}, False),
        ({"headers": {"Authorization": "Bearer aZ3kQ9mX7vB2nL5tR8"}}, False),
        ({'password = "rm -rf /srv"': 1}, True),
        ({"auth": {"user": "ann"}, "command": "ls -l"}, False),
        ({"note": "‹redacted 12 chars of text›"}, False),
    ],
)
def test_a_curtain_takes_approve_away(
    make_request: Callable[..., HITLRequest], arguments: Json, hides: bool
) -> None:
    """A short call that hides text is never shown whole; a mark that an agent wrote is no mark."""
    request = make_request(arguments=arguments)
    lines = lines_of(request, redaction=PLAIN)

    assert hides == hides_text(lines)
    assert (lines, HIDES_TEXT if hides else None) == excerpt(lines, request=request)


def test_a_long_call_names_its_curtain_too(make_request: Callable[..., HITLRequest]) -> None:
    """That it is long does not hide that it can never be approved here, nor where it is cut."""
    request = make_request(arguments={"body": "x" * 9000, "z": [1] * 30, "auth": "rm -rf /srv"})

    _, hidden = excerpt(lines_of(request, redaction=PLAIN), request=request)

    assert hidden is not None
    assert hidden.startswith("Showing 17 of 33 lines.")
    assert hidden.endswith(HIDES_TEXT)


def test_a_name_that_the_card_cuts_stands_in_the_call(make_request: Callable[..., HITLRequest]) -> None:
    """All of a long name is there to be read, first, and no argument can pass for it."""
    request = make_request(
        tool_name="read_" + "x" * 75 + "_delete", agent_id="a" * 79 + "\u200b", arguments={"(tool)": 1}
    )

    lines = lines_of(request, redaction=PLAIN)

    assert ["(tool)", "(agent)", '"(tool)"'] == [line.key for line in lines]
    assert (request.tool_name, "a" * 79 + "\\u{200B}") == (lines[0].value, lines[1].value)


def test_a_name_that_fits_is_not_repeated(make_request: Callable[..., HITLRequest]) -> None:
    """Eighty characters are shown on the card unchanged."""
    request = make_request(tool_name="t" * LONGEST_NAME, agent_id="a" * LONGEST_NAME, arguments={"n": 1})

    assert (Line(key="n", value="1"),) == lines_of(request, redaction=PLAIN)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("send\nemail", "send\\nemail"),
        ("send\\nemail", "send\\u{5C}nemail"),
        ("send\temail", "send\\temail"),
        ("send\r", "send\\u{D}"),
        ("a  b", "a‹2 spaces›b"),
        (" a b ", "‹1 space›a b‹1 space›"),
        ("‹redacted 3 chars›", "‹\\u{200B}redacted 3 chars›"),
        ("‹\u0323redacted 3 chars›", "‹\\u{200B}\\u{323}redacted 3 chars›"),
        ("‹·12 spaces›", "‹\\u{200B}·12 spaces›"),
        ("Mail agent (EU) – send_email", "Mail agent (EU) – send_email"),
        ("", "(no name)"),
    ],
)
def test_a_name_stands_on_one_line(name: str, shown: str) -> None:
    """A line break is spelled out, and no two names are made one."""
    assert shown == name_of(name)
