"""What Teams makes of a text is shown as such, so that a text that leaks into formatting is seen."""

from typing import Any

import pytest

from sandbox.teams.markdown import Run, formatted, lines

LOOKS: dict[str, list[Run]] = {
    "plain words": [Run(text="plain words")],
    "a **b** c": [Run(text="a "), Run(text="b", bold=True), Run(text=" c")],
    "__b__": [Run(text="b", bold=True)],
    "_i_ and *i*": [Run(text="i", italic=True), Run(text=" and "), Run(text="i", italic=True)],
    "**b _i_**": [Run(text="b ", bold=True), Run(text="i", bold=True, italic=True)],
    "[pay](https://evil.example)": [Run(text="pay", link="https://evil.example")],
    "see https://evil.example/x now": [
        Run(text="see "),
        Run(text="https://evil.example/x", link="https://evil.example/x"),
        Run(text=" now"),
    ],
    "<at>Ann</at>": [Run(text="Ann", at=True)],
    "<at>Bob</at>": [Run(text="<at>Bob</at>")],
    "snake_case_name": [Run(text="snake_case_name")],
    "2 * 3 * 4": [Run(text="2 * 3 * 4")],
    "\\*no\\*": [Run(text="*"), Run(text="no"), Run(text="*")],
    "`code`": [Run(text="`code`")],
}


@pytest.mark.parametrize("text", LOOKS)
def test_a_text_becomes_what_teams_makes_of_it(text: str) -> None:
    """Bold, italic, links, addresses and mentions; nothing else."""
    (line,) = lines(text, {"<at>Ann</at>"})

    assert ("line", LOOKS[text]) == (line.kind, list(line.runs))


def test_lists_and_lines_are_told_apart() -> None:
    """A line may be a bullet or a number; the marks are not shown."""
    found = lines("- one\n2. two\r\nthree")

    assert ["bullet", "number", "line"] == [line.kind for line in found]
    assert ["one", "two", "three"] == [line.runs[0].text for line in found]


def card(*body: dict[str, Any]) -> dict[str, Any]:
    return {"type": "AdaptiveCard", "version": "1.5", "body": list(body)}


def test_formatting_is_found_where_teams_parses_and_only_there() -> None:
    """TextBlocks and facts leak; rich text and titles of buttons do not."""
    hostile = "**urgent** [pay](https://evil.example)"
    audit_events = {"type": "FactSet", "facts": [{"title": hostile, "value": "ok"}]}
    inner = {"type": "AdaptiveCard", "body": [{"type": "TextBlock", "text": hostile}]}

    assert [hostile] == formatted(card({"type": "TextBlock", "text": hostile}))
    assert [hostile] == formatted(card({"type": "Container", "items": [audit_events]}))
    assert [hostile] == formatted({**card(), "actions": [{"type": "Action.ShowCard", "card": inner}]})
    rich = {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": hostile}, hostile]}
    assert [] == formatted(card(rich, {"type": "TextBlock", "text": "Approve?"}))
