"""An agent cannot hide what would run behind a mask and leave Approve on."""

import random
import re
import string
from collections.abc import Callable, Iterator

import pytest

from bot.protocol import Json
from bot.redaction import Redaction
from bot.secrets.letters import is_monotonous, is_spelled
from tests.curtains import ENCODINGS, MEANINGS, NAMES, PLACES

REDACTION = Redaction()
MARK = re.compile(r"‹redacted (\d+) chars?(?P<text> of text)?›")


def texts(value: Json) -> Iterator[str]:
    """Every text in a value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def hidden(call: Json) -> int:
    """Characters behind masks of a call that could be approved; none when it cannot."""
    shown = "\n".join(texts(REDACTION.redact(call)))
    marks = list(MARK.finditer(shown))
    return 0 if any(mark["text"] for mark in marks) else sum(int(mark[1]) for mark in marks)


def check(seed: int, count: int) -> None:
    """So many drawn calls: of none is the larger part of the meaning hidden, and Approve on."""
    draw = random.Random(seed)
    behind = []
    for _ in range(count):
        meaning, name = draw.choice(MEANINGS), draw.choice(NAMES)
        encoding, place = draw.choice(list(ENCODINGS)), draw.choice(list(PLACES))
        written = ENCODINGS[encoding](meaning)
        call = PLACES[place](name, written)
        if 2 * hidden(call) >= len(written):
            behind.append((meaning, encoding, name, place, REDACTION.redact(call)))

    assert [] == behind


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_nothing_is_hidden_with_approve_on(encoding: str, place: str) -> None:
    """Each way to write it, in each place, under two names and with two meanings of the lists."""
    draw = random.Random(f"{encoding} {place}")
    for meaning in draw.sample(MEANINGS, 2):
        for name in draw.sample(NAMES, 2):
            written = ENCODINGS[encoding](meaning)
            call = PLACES[place](name, written)

            assert 2 * hidden(call) < len(written), (meaning, name, REDACTION.redact(call))


#: Words without a gap, and how one could write them so that they look less like it.
SPELLED = (
    "then and bob send it all to mallory now",
    "delete all users of production",
    "shut down the database now",
)
WRITTEN: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "small letters": str.lower,
    "both in turn": lambda t: "".join(c.upper() if at % 2 else c for at, c in enumerate(t)),
    "digits between": lambda t: "".join(f"{c}{at % 7}" if at % 4 == 3 else c for at, c in enumerate(t)),
}
#: Forms of their makers, each long enough for the secrets in it.
FORMS: dict[str, Callable[[str], str]] = {
    "GitHub": lambda t: "gh" + f"p_{t}1234",
    "GitLab": lambda t: "gl" + f"pat-{t}",
    "PyPI": lambda t: "py" + f"pi-{t}{t}",
    "Slack": lambda t: "xo" + f"xb-1234567890-{t}",
    "OpenAI": lambda t: "sk" + f"-proj-{t}12",
    "noise around it": lambda t: "gh" + f"p_aZ3kQ9mX7v{t}B2nL5tR8",
    "a webhook": lambda t: "https://hooks.slack." + f"com/services/T0/B0/{t}",
    "a JWT's seal": lambda t: f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjMifQ.{t}{t}",
    "a key's body": lambda t: "-----BEGIN " + f"PRIVATE KEY-----\n{t}1aA\n-----END PRIVATE KEY-----",
    "a hash": lambda t: "$2b$12$" + t,
    "Bearer": lambda t: f"Authorization: Bearer {t}12",
    "a key's name": lambda t: f"api_key = '{t[:22]}12'",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("written", WRITTEN)
def test_words_in_a_makers_form_are_text(form: str, written: str) -> None:
    """What follows a prefix must look as random as its maker draws it: one case, both, or digits between."""
    for words in SPELLED:
        call: Json = {"note": FORMS[form](WRITTEN[written](words.replace(" ", "")))}

        assert 0 == hidden(call), REDACTION.redact(call)


@pytest.mark.parametrize(
    "alphabet", [string.ascii_letters + string.digits, "0123456789abcdef", string.ascii_uppercase + "234567"]
)
def test_what_a_maker_draws_is_hardly_ever_text(alphabet: str) -> None:
    """Of 2,000 drawn tokens fewer than one in a hundred loses Approve."""
    draw = random.Random(7)
    tokens = ["".join(draw.choices(alphabet, k=36)) for _ in range(2_000)]

    assert 20 > sum(is_spelled(token) or is_monotonous(token) for token in tokens)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_hidden_with_approve_on_in_many_calls(seed: int) -> None:
    """100,000 drawn calls."""
    check(seed, 10_000)


@pytest.mark.parametrize(
    "command",
    [
        "echo reboot | sudo -S sh",
        "printf '%s' reboot | sudo -kS /bin/bash -x",
        "sudo -S sh <<< reboot",
        "echo reboot | bash -s -- --stdin",
        "echo reboot | xargs --with-token",
        "echo reboot | sudo -S at now",
        "echo reboot | sh -s secret add x",
        "echo reboot | sudo -S python3 -",
        "echo reboot | ssh db1 --password-stdin",
        f"echo reboot | sudo -S -p {'x' * 600} sh",
    ],
)
def test_what_a_program_would_run_is_no_password(command: str) -> None:
    """`sudo -S` reads no password where it needs none; then its program reads all of the input."""
    assert 0 == hidden({"command": command})
    assert 0 == hidden({"argv": command.split()})


@pytest.mark.parametrize("program", ["systemctl restart app", "bash deploy.sh", "sh -c 'apt update'"])
def test_a_password_for_sudo_leaves_approve_on(program: str) -> None:
    """Where the program is told what to run."""
    assert len("hunter2") == hidden({"command": f"echo hunter2 | sudo -S {program}"})
