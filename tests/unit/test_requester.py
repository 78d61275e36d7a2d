"""Who may have asked for a request does not decide it, in whatever way the agent wrote the name."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from bot.protocol import Json
from bot.requester import Named, named_in

PEOPLE = {
    "ann": (
        "ann",
        "Ann Albers",
        "ann.albers@acme.example",
        "U024BE7LH",
        "7f0a/6e0c9d0a-0f6f-4c0e-9a51-2f7a0b1c2d3e",
    ),
    "bob": ("bob", "Bob Brandt", "bob@acme.example", "U0BOB"),
    "joan": ("joan", "Joan O'Hara", "joan@acme.example", "U0JOAN"),
}


@pytest.mark.parametrize(
    ("value", "handles"),
    [
        (None, ""),
        ("", ""),
        (" \u200b", ""),
        ([], ""),
        (True, ""),
        (7, ""),
        ("agent-7", ""),
        ("carol@partner.example", ""),
        ("Carol O'Neil <carol@partner.example>", ""),
        ("Zoë Müller", ""),
        ("田中", ""),
        ("たなか みどり", ""),
        ("דנה כהן", ""),
        ("Иван Петров", ""),
        ("Rəşad Əliyev", ""),
        ("Kɔfi Mɛnsa", ""),
        ("Nguyễn Thị Hạnh", ""),
        ("Jonathan Alexander Featherstonehaugh", ""),
        ("6e0c9d0a0f6f4c0e9a512f7a0b1c2d3f", ""),
        (["carol@partner.example"], ""),
        ("ann", "ann"),
        ("Änn Albers", "ann"),
        ("ánn", "ann"),
        ("Bob Bràndt", "bob"),
        ("bob", "bob"),
        (["ann"], "ann"),
        ({"name": "Ann Albers", "id": 5}, "ann"),
        ({"user": {"ids": ["U024BE7LH"]}}, "ann"),
        ({"ann": 1}, "ann"),
        (["bob", "ann"], "ann bob"),
        ("bob, ann", "ann bob"),
        ("bob (for ann)", "ann bob"),
        ("@ann", "ann"),
        ("aalbers", "ann"),
        ("albersa@acme.example", "ann"),
        ("AlbersAnn", "ann"),
        ("annalbers1", "ann"),
        ("bbrandt2 (for carol)", "bob"),
        ("balbers", ""),
        ("ab", ""),
        ("<@U024BE7LH>", "ann"),
        ("<@U024BE7LH|someone>", "ann"),
        ("mailto:ann.albers@acme.example", "ann"),
        ("<mailto:ann.albers@acme.example|mail>", "ann"),
        ("Ann Albers <ann.albers@acme.example>", "ann"),
        ("ann.albers+nod@acme.example", "ann"),
        ("ann.albers@elsewhere.example", "ann"),
        ("6E0C9D0A-0F6F-4C0E-9A51-2F7A0B1C2D3E", "ann"),
        ("ａｎｎ", "ann"),
        ("a\u200bn\u00adn", "ann"),
        ("аnn", "ann"),
        ("Albers, Ann", "ann"),
        ("A. Albers", "ann"),
        ("annalbers", "ann"),
        ("Ann.Albers", "ann"),
        ("requested by Ann Albers yesterday", "ann"),
        ('"ann"', "ann"),
        ('{"user": "ann"}', "ann"),
        ("joann", ""),
        ("Joan O’Hara", "joan"),
        ("u0bob", "bob"),
    ],
)
def test_whom_a_field_names(value: Json, handles: str) -> None:
    """Without case, decorations and what is invisible; a name within it, and one in short."""
    assert Named(handles=frozenset(handles.split())) == named_in(value, PEOPLE)


@pytest.mark.parametrize(
    "value",
    [
        *["{7}", "cаrol", "x\u202ey", "x\u200bz", "①", "x" * 300, ["carol", "y\x00z"], [["x"] * 600] * 2],
        *["ᗩᑎᑎ", "ɐuu", "ǝlsǝ", "𐐢𐐰"],
        *["YW5uLmFsYmVyc0BhY21lLmV4YW1wbGU", "YW5uQGFjbWUuZXhhbXBsZQ", "616e6e40616e6e"],
    ],
)
def test_what_cannot_be_read_may_be_anybody(value: Json) -> None:
    """Hidden, mixed and turned letters, alphabets of look-alikes, marks that no name has, encodings."""
    assert Named(doubt=True) == named_in(value, PEOPLE)


def test_another_way_of_writing_a_name_never_frees_its_owner() -> None:
    """All the ways at once, in any order."""
    dice = random.Random(9)
    ways: list[Callable[[str], str]] = [
        str.upper,
        str.title,
        lambda text: f"@{text}",
        lambda text: f"<{text}>",
        lambda text: f"mailto:{text}",
        lambda text: f" {text} ",
        lambda text: f"{text},",
        lambda text: text.replace("a", "а"),
        lambda text: "\u200d".join(text),
        lambda text: "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text),
        lambda text: json.dumps(text),
        lambda text: json.dumps({"by": [text]}),
    ]
    for _ in range(2_000):
        handle = dice.choice(list(PEOPLE))
        written = dice.choice(PEOPLE[handle])
        for _ in range(dice.choice([1, 2, 3])):
            written = dice.choice(ways)(written)
        value: Json = dice.choice([written, [written], {"x": [written]}, ["carol", written]])
        named = named_in(value, PEOPLE)

        assert handle in named.handles or named.doubt, written
