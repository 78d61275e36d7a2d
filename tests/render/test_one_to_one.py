"""What is shown of a call can be read back to the very call, on every surface."""

from __future__ import annotations

import json
import random
import unicodedata
from datetime import timedelta
from typing import Any

import pytest

from adapters.cli.audit_export import entry_of
from adapters.slack.metadata import ButtonContext, call_from
from adapters.slack.modals import turned_view as slack_turned
from adapters.slack.modals import whole_view as slack_first
from adapters.slack.render import message_of
from adapters.teams.buttons import Data, data_from
from adapters.teams.elements import NBSP
from adapters.teams.modals import GOES_ON as TEAMS_GOES_ON
from adapters.teams.modals import turned_content
from adapters.teams.modals import whole_content as teams_first
from adapters.teams.render import content_of
from adapters.terminal.sheet import BEGINS, Sheet
from bot.call import sight_of
from bot.card import Button, Card, card_of
from bot.desk import FormData
from bot.protocol import HITLRequest, Json
from bot.redaction import Redaction
from bot.routing import ReasonRule
from tests.render.cards import CARD_ID, NOW, SEAL, approval, policy, reading
from tests.render.read_back import leaves_of, says, shows_all, unarmoured
from tests.render.slack_parts import buttons, pre, preformatted_in, read_on
from tests.render.teams_parts import CONTEXT, nodes

#: Generated calls: a taste for `make test`, and the long form.
FEW, MANY = 300, 100_000

#: Calls that are easily shown alike: each pair differs in what would run.
ALIKE: list[tuple[Json, Json]] = [
    ({"‹redacted/run.sh": "a", "‹\u200bredacted/run.sh": "b"}, {"‹\u200bredacted/run.sh": "b"}),
    ({"‹redacted/run.sh": "b"}, {"‹\u200bredacted/run.sh": "b"}),
    ({"n": "‹redacted 3 chars›"}, {"n": "‹\u200bredacted 3 chars›"}),
    ({"n": []}, {"n": "[]"}),
    ({"n": {}}, {"n": "{}"}),
    ({"n": True}, {"n": "true"}),
    ({"n": None}, {"n": "null"}),
    ({"n": 1}, {"n": "1"}),
    ({"n": 1.5e300}, {"n": "1.5e+300"}),
    ({"n": "true"}, {"n": '"true"'}),
    ({"n": '"true"'}, {"n": '"\\"true\\""'}),
    ({"n": ""}, {"n": '""'}),
    ({"n": "x"}, {"n": "x "}),
    ({"n": "x"}, {"n": " x"}),
    ({"n": "x"}, {"n": "x\n"}),
    ({"n": "a\tb"}, {"n": "a    b"}),
    ({"n": "a\tb"}, {"n": "a⇥b"}),
    ({"n": "a\n"}, {"n": "a⏎"}),
    ({"n": "a" + " " * 40 + "b"}, {"n": "a‹40 spaces›b"}),
    ({"n": "a\n\n\n\n\nb"}, {"n": "a\n‹4 blank lines›\nb"}),
    ({"a.b": 1}, {"a": {"b": 1}}),
    ({"a[0]": 1}, {"a": [1]}),
    ({"a": {"0": 1}}, {"a": [1]}),
    ({'"a"': 1}, {"a": 1}),
    ({"": 1}, 1),
    ("n  1", {"n": 1}),
    ({"n": "x\nm  1"}, {"n": "x", "m": 1}),
    ({"n": "\u200b"}, {"n": "\\u{200B}"}),
    ({"n": "caf\u00e9"}, {"n": "cafe\u0301"}),
    ({"n": "\u212b"}, {"n": "\u00c5"}),
    ({"n": "\u1100\u1161"}, {"n": "\uac00"}),
    ({"n": 2**53}, {"n": 2**53 + 1}),
    ({"n": 0.0}, {"n": -0.0}),
    ({"n": 1}, {"n": 1.0}),
    (
        {"ghp_" + "a1B2" * 9: 1, "ghp_" + "c3D4" * 9: 2},
        {"ghp_" + "a1B2" * 9: 1, "ghp_" + "c3D4" * 9 + " (2)": 2},
    ),
]


#: What texts are made of: our own marks and escapes, quotes, brackets, blanks, and what looks like another.
PIECES = (
    *(
        "‹",
        "›",
        "‹redacted 3 chars›",
        "‹redacted 40 chars of text›",
        "redacted",
        "hidden",
        "‹40 spaces›",
        "‹2›",
    ),
    *(
        "‹4 blank lines›",
        "‹15 times \\u{3000}›",
        "‹12 line breaks›",
        "\u200b",
        "\u200b\u200b",
        "\\",
        "u{",
        "\\u{5C}",
        "}",
    ),
    *(
        "[0]",
        "[",
        "]",
        ".",
        '"',
        '\\"',
        "'",
        " ",
        "  ",
        " " * 15,
        " " * 30,
        "\n",
        "\n\n",
        "\n" * 6,
        "\r",
        "\t",
        "\t\t\t",
    ),
    *(
        "⇥",
        "⏎",
        "↪ ",
        "…",
        "(tool)",
        "(agent)  x",
        "true",
        "null",
        "1",
        "-0.0",
        "1e5",
        "{}",
        "[]",
        "a",
        "a.b",
        "\\n",
        "\\u0000",
    ),
    *(
        "é",
        "e\u0301",
        "\u0301",
        "\u0338",
        "=",
        "\u1100\u1161",
        "\u212b",
        "\u3000" * 13,
        "\xa0",
        "\u2028",
        "\ud800",
        "\U0001f600",
    ),
    *(
        "ghp_" + "a1B2" * 9,
        "ghp_" + "c3D4" * 9,
        "‹\u200b",
        "&lt;",
        "<at>",
        "{{DATE(",
        "z" * 70,
        "y" * 3_000,
        "amount  1",
    ),
)
KEYS = ("a", "b", "0", "password", "token", "", "a.b", "a[0]", "(tool)")
NUMBERS = (0, 1, -1, 10**6, 2**53 + 1, -(10**40), 4111111111111111, 0.0, -0.0, 1.0, 1.5, 1e300, 1e-7)


def any_text(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.15:
        return chance.choice(KEYS)
    if kind < 0.25:
        return "".join(chr(chance.randrange(0x110000)) for _ in range(chance.randrange(5)))
    return "".join(chance.choice(PIECES) for _ in range(chance.choice((1, 1, 2, 3, 5))))


def any_value(chance: random.Random, depth: int = 0) -> Json:
    kind = chance.random()
    if depth < 3 and kind < 0.25:
        return {any_text(chance): any_value(chance, depth + 1) for _ in range(chance.randrange(4))}
    if depth < 3 and kind < 0.4:
        return [any_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return any_text(chance) if kind < 0.85 else chance.choice((None, True, False, *NUMBERS))


def asked(arguments: Json, **more: str) -> HITLRequest:
    usual = {"request_id": "r", "tool_name": "t", "agent_id": "a"}
    return HITLRequest(arguments=arguments, **{**usual, **more})


def text(arguments: Json) -> str:
    return sight_of(asked(arguments), redaction=Redaction()).text


def looked_at(card: Card, call: str) -> FormData:
    return FormData(
        card=card, call=call, reading=reading(call), approvable=True, reason=ReasonRule.NONE, approve_value="v"
    )


def slack_pages(asked: FormData) -> str:
    """All of View all, page after page."""
    thread = ButtonContext(value="v", verb=Button.VIEW_ALL, channel="C1", ref="1.0")
    view = slack_first(thread, asked)
    shown: list[str] = []
    while True:
        shown += preformatted_in(view)
        look = call_from(view["private_metadata"])
        if look.state.is_last:
            return read_on(shown)
        view = slack_turned(look, asked, by=1)


def teams_lines(content: Any) -> list[str]:
    """Each line of a call on a card of Teams, its runs put together and its blanks as they were."""
    lines = [line["inlines"] for box in nodes(content) if box["type"] == "Container" for line in box["items"]]
    return ["".join(run["text"] for run in runs).replace(NBSP, " ") for runs in lines]


def joined(lines: list[str]) -> str:
    return "".join(
        line.removeprefix(TEAMS_GOES_ON) if line.startswith(TEAMS_GOES_ON) else f"\n{line}" for line in lines
    )[1:]


def teams_pages(asked: FormData) -> str:
    """All of the whole call in Teams, page after page."""
    content = teams_first(asked, CONTEXT)
    lines = teams_lines(content)
    while data := forward(content):
        content = turned_content(asked, data, CONTEXT)
        lines += teams_lines(content)
    return joined(lines)


def forward(content: Any) -> Data | None:
    """What the button to the next page carries; None on the last."""
    turns = [node for node in nodes(content) if node.get("title") == "Next page"]
    return data_from(turns[0]["data"]) if turns else None


def terminal(request: HITLRequest, *, width: int, height: int) -> str:
    """All of the sheet, page after page, as the screen shows it."""
    sheet = Sheet(request, redaction=Redaction(), shown_at=NOW, deadline=NOW + timedelta(hours=1))
    shown = ""
    for _ in range(10_000):
        for row in sheet.show(width=width, height=height).rows:
            shown += f"\n{row.removeprefix(BEGINS)}" if row.startswith(BEGINS) else row[len(BEGINS) :]
        if sheet.whole:
            return shown[1:]
        sheet.press(" ", now=NOW)
    raise AssertionError("the pages do not end")


def exported(request: HITLRequest) -> Json:
    """The arguments of an export, as they come back from its JSON."""
    entry = entry_of("r", (), call=request, redaction=Redaction())
    return json.loads(json.dumps(entry.fields(with_arguments=True)["arguments"]))  # type: ignore[no-any-return]


def check_every_surface(arguments: Json, chance: random.Random) -> None:
    """Every surface shows exactly the leaves of the call, each apart from the others."""
    request = asked(arguments)
    known = approval(request)
    sight = sight_of(request, redaction=Redaction())
    card = card_of(known, card_id=CARD_ID, policy=policy(), seal=SEAL, now=NOW, sight=sight)
    look = looked_at(card, sight.text)
    assert unicodedata.is_normalized("NFC", sight.text)
    assert shows_all(sight.text, arguments)
    message = message_of(card)
    if "nod_approve" in buttons(message["blocks"]):
        assert sight.text == pre(message)
    content = content_of(card, CONTEXT)
    if "Approve" in [action["title"] for action in content["actions"]]:
        assert sight.text == "\n".join(teams_lines(content))
    assert sight.text == slack_pages(look)
    assert sight.text == teams_pages(look)
    assert sight.text == terminal(request, width=chance.choice((20, 40, 200)), height=chance.choice((5, 60)))
    leaves, found = leaves_of(arguments), leaves_of(exported(request))
    assert len(leaves) == len(found)
    assert len({path for path, _ in found}) == len(found)
    for (path, value), (way, shown) in zip(leaves, found, strict=True):
        assert all(
            step == other if isinstance(step, int) else says(unarmoured(str(other), key=True), step)
            for step, other in zip(path, way, strict=True)
        )
        if type(shown) is type(value) and not isinstance(value, str):
            assert repr(shown) == repr(value)
        else:
            assert says(unarmoured(str(shown)), value if isinstance(value, str) else repr(value))


@pytest.mark.parametrize("calls", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_every_surface_shows_the_call_and_no_other(calls: int) -> None:
    """What is shown reads back to the very call: no leaf vanishes, none merges, no two calls look alike."""
    for number in range(calls):
        chance = random.Random(f"one to one {number}")
        arguments = any_value(chance)
        try:
            check_every_surface(arguments, chance)
        except AssertionError as error:
            raise AssertionError(f"call {number}: {arguments!a}") from error


@pytest.mark.parametrize(("one", "other"), ALIKE, ids=lambda call: ascii(call)[:40])
def test_two_calls_are_never_shown_alike(one: Json, other: Json) -> None:
    """A text is no value, a blank is no other blank, and what an agent wrote is no mark of ours."""
    assert unicodedata.normalize("NFC", text(one)) != unicodedata.normalize("NFC", text(other))
    assert shows_all(text(one), one)
    assert shows_all(text(other), other)
