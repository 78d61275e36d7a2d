"""What hides is shown, what is shown is told apart, and names that pretend are called out."""

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.visible import RIGHT_TO_LEFT, hosts_in, visible, warnings
from tests.hostile import HOSTILE

#: Letters that make escapes, marks, and what hides: where two different texts could come to look alike.
TRICKY = st.text(
    st.sampled_from("\\u{}5C2E0aé \n\t\r\0\u0301\u0338\u034f\u200b\u202e\u3164\ufe0f\ud800\U000e0041")
)


def read_back(shown: str) -> str:
    return re.sub(r"\\u\{([0-9A-F]+)\}", lambda match: chr(int(match[1], 16)), shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, text: 1 + 1 = 2\n\tand more", "plain, text: 1 + 1 = 2\n\tand more"),
        ("Zoë 東京 Київ ελληνικά עברית 😀 €", "Zoë 東京 Київ ελληνικά עברית 😀 €"),
        ("ok\r\n", "ok\\u{D}\n"),
        ("\x1b[2J\0", "\\u{1B}[2J\\u{0}"),
        ("invoice\u202efdp.exe", "invoice\\u{202E}fdp.exe"),
        ("a\u00a0b\u3000c\u2009d", "a\\u{A0}b\\u{3000}c\\u{2009}d"),
        ("\u115f\u1160\u3164\uffa0\u2800", "\\u{115F}\\u{1160}\\u{3164}\\u{FFA0}\\u{2800}"),
        ("\U000e0041\ufe0f\U000e0100\u034f", "\\u{E0041}\\u{FE0F}\\u{E0100}\\u{34F}"),
        ("\ud800\ue000\uffff", "\\u{D800}\\u{E000}\\u{FFFF}"),
        ("literal \\u{202E} and \\u202e", "literal \\u{5C}u{202E} and \\u202e"),
        ("👨\u200d👩", "👨\\u{200D}👩"),
        ("cafe\u0301", "cafe\\u{301}"),
        ("x\u0301\u0330", "x\u0301\\u{330}"),
        ("q\u0301", "q\u0301"),
        ("\u212b \u1100\u1161", "\\u{212B} \u1100\\u{1161}"),
        ("\u0301x", "\\u{301}x"),
        ("\u202e\u0301", "\\u{202E}\\u{301}"),
        ("x" + "\u0301" * 5, "x" + "\\u{301}" * 5),
    ],
)
def test_shown(text: str, shown: str) -> None:
    """Everyday writing stays as it is, in any alphabet; everything that hides is a code point."""
    assert shown == visible(text)


@given(st.one_of(st.text(), TRICKY))
def test_different_texts_stay_different(text: str) -> None:
    """The text can be read back from what is shown, so no two texts are shown alike."""
    assert text == read_back(visible(text))


@given(st.one_of(st.text(), TRICKY, st.sampled_from(HOSTILE)))
def test_nothing_hides(text: str) -> None:
    """After that, only a space, a line feed and a tab are blank, and nothing turns the direction."""
    shown = visible(text)

    assert [] == [c for c in shown if unicodedata.category(c)[0] in "CZ" and c not in " \n\t"]
    assert not re.search("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0]", shown)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_shown_and_never_fails(text: str) -> None:
    """Each string of the hostile corpus is shown, can be read back, and can be warned of."""
    assert text == read_back(visible(text))
    assert all(sentence == visible(sentence) or "\\u{" in sentence for sentence in warnings(text))


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dear Zoë, see https://acme.example/x?y=1 or mail ann@acme.example", ()),
        ("東京 Київ 한국어 日本語テスト Ångström kΩ", ()),
        ("résumé.pdf Angebot_für_Müller.docx", ()),
        ("Привет.Как дела, версия 3.5", ()),
        (
            "a\u202eb\u2066c",
            ("Contains 2 hidden text-direction characters; the displayed order may be misleading",),
        ),
        (
            "a\u200b\u200bb\r\U000e0041\u3164",
            (
                (
                    "Contains 5 invisible characters, shown as code points: 2 zero-width or format characters, "
                    "1 control character, 1 tag character, 1 blank letter"
                ),
            ),
        ),
        ("one\n\ttwo ~", ()),
        ("שלום עולם, מה שלומך? 5 a", (RIGHT_TO_LEFT,)),
        ("pay \u05d0 1 2", (RIGHT_TO_LEFT,)),
        ("\u0627 / \u0628", (RIGHT_TO_LEFT,)),
        ("2 1 \u05d0", ()),
        ("שלום עולם, מה שלומך?\nrun 5", ()),
        ("a\rb", ("Contains 1 invisible character, shown as code points: 1 control character",)),
        ("a\x7fb", ("Contains 1 invisible character, shown as code points: 1 control character",)),
        ("Z" + "\u0301" * 9, ("Contains 1 stack of combining marks, shown as code points",)),
        ("\ud800\udc00 ", ("Contains 2 invisible characters, shown as code points: 2 halves of characters",)),
        (
            "open https://аpple.com/x",
            ("The host аpple.com mixes Cyrillic and Latin characters; its real name is xn--pple-43d.com",),
        ),
        (
            "ann@müller.example",
            (
                (
                    "The host müller.example contains non-ASCII Latin characters; "
                    "its real name is xn--mller-kva.example"
                ),
            ),
        ),
        (
            "straße.example",
            (
                (
                    "The host straße.example contains non-ASCII Latin characters; "
                    "its real name is xn--strae-oqa.example"
                ),
            ),
        ),
        (
            "http://ⓖoogle.com",
            ("The host ⓖoogle.com mixes Circled and Latin characters; its real name is google.com",),
        ),
        (
            "paypal.сом",
            ("The host paypal.сом mixes Latin and Cyrillic characters; its real name is paypal.xn--l1adi",),
        ),
        ("call sеnd_email", ("The word sеnd_email mixes Latin and Cyrillic letters",)),
    ],
)
def test_warnings(text: str, sentences: tuple[str, ...]) -> None:
    """Ordinary text in any language warns of nothing; each trick is named in words, with what is looked up."""
    assert sentences == warnings(text)


def test_many_hosts_are_counted() -> None:
    """A flood of hosts does not become a flood of warnings."""
    found = warnings(" ".join(f"аcme{n}.example" for n in range(100)))

    assert 6 == len(found)
    assert "95 more hosts like that" == found[-1]


def test_a_host_too_long_for_dns_is_shown_by_code_points() -> None:
    """Where a label has no form for DNS, its code points are shown instead, and the sentence stays short."""
    (found,) = warnings("https://" + "а" * 5_000 + ".example")

    assert "<U+0430>" in found
    assert len(found) < 300


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("https://acme.example:8443/a.b/c.d?x=e.example", ("acme.example", "e.example")),
        ("http://localhost:8000 \\\\files\\share", ("localhost", "files")),
        ("https:/еvil.example https:\\\\x.example", ("еvil.example", "x.example")),
        ("https://acme.example@evil.example/", ("acme.example", "evil.example")),
        ("ann.lee@acme.example, bob@b.example.", ("acme.example", "b.example")),
        ("see www.acme.example… or “b.example”", ("www.acme.example", "b.example")),
        ("http://acme。example", ("acme.example",)),
        ("pay\u200bpal.example", ("paypal.example",)),
        ("evil.c℀.acme.example", ("evil.c℀.acme.example",)),
        ("1.2.3 e.g. 3.50 offer.pdf a...b ---", ()),
    ],
)
def test_hosts(text: str, hosts: tuple[str, ...]) -> None:
    """Hosts are found where a browser or a mail program would find them, and not in numbers or file names."""
    assert hosts == hosts_in(text)


@pytest.mark.parametrize(
    "piece", ["a.", "а.", "/", "@", "а@", "\u0301", "\\u{", "https:/а", "//", "\u3002", "xn--", "а"]
)
def test_time_is_linear(piece: str) -> None:
    """200,000 characters of the worst kind take less than the time of a click."""
    text = piece * (200_000 // len(piece))
    begin = time.process_time()

    visible(text)
    warnings(text)

    assert time.process_time() - begin < 2.5


def test_plain_lines_cost_next_to_nothing() -> None:
    """They are known by one look, since a click on a long call has 3 s for all that it takes (Slack's ack)."""
    plain = "line of a very long letter, with a host.example in it\n" * 4_000

    def seconds(text: str) -> float:
        begin = time.process_time()
        assert visible(text) == text
        assert () == warnings(text)
        return time.process_time() - begin

    assert 10 * seconds(plain) < seconds(plain.replace("a very", "ä very"))
