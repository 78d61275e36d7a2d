"""The corpus of docs/secrets.md: secrets of everyday calls are hidden, their look-alikes are shown."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.call import hides_text, lines_of
from bot.protocol import HITLRequest, Json
from bot.redaction import Redaction
from tests.secrets_everyday import GROUPS, LOOKALIKES, SECRETS, Everyday
from tests.secrets_planted import PLANTED

PAGE = (Path(__file__).parents[2] / "docs" / "secrets.md").read_text()
REDACTION = Redaction()
MakeRequest = Callable[..., HITLRequest]


def written(value: Json) -> str:
    """A call as one text."""
    return json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize("everyday", SECRETS, ids=lambda everyday: everyday.kind)
def test_a_secret_of_an_everyday_call_is_hidden(everyday: Everyday, make_request: MakeRequest) -> None:
    """Not a piece of it reaches a line of the card; what is a token leaves Approve on."""
    assert written(everyday.secret)[1:-1] in written(everyday.call)

    lines = lines_of(make_request(arguments=everyday.call), redaction=REDACTION)

    shown = "\n".join(f"{line.key} {line.value}" for line in lines)
    assert everyday.secret not in shown
    assert "‹redacted" in shown
    assert everyday.approvable == (not hides_text(lines))


@pytest.mark.parametrize("everyday", LOOKALIKES, ids=lambda everyday: everyday.kind)
def test_what_only_looks_like_a_secret_is_shown(everyday: Everyday) -> None:
    """An approver needs it to judge the call."""
    assert everyday.call == REDACTION.redact(everyday.call)


@pytest.mark.parametrize("everyday", SECRETS, ids=lambda everyday: everyday.kind)
def test_redacting_twice_is_redacting_once(everyday: Everyday) -> None:
    """What is redacted does not change."""
    once = REDACTION.redact(everyday.call)

    assert once == REDACTION.redact(once)


def test_the_page_publishes_the_corpus() -> None:
    """Its figures are those of the lists here, of each group too."""
    kinds = {secret.kind for secret in SECRETS}
    figures = dict(re.findall(r"^\| (.+?) \| (\d+) \|", PAGE, re.MULTILINE))

    assert {
        "Kinds of secret in texts": str(len({planted.kind for planted in PLANTED})),
        "Kinds of secret in everyday calls": str(len(kinds)),
        "of these hidden": str(len(kinds)),
        "of these approvable": str(sum(secret.approvable for secret in SECRETS)),
        "Look-alikes": str(len(LOOKALIKES)),
        "of these masked": "0",
    } | {name: str(len(group)) for name, group in GROUPS.items()} == figures
    assert len(kinds) == len(SECRETS) >= 150


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "token", "ApiKey", "Bot"])
@pytest.mark.parametrize("name", ["Authorization", "authorization", "Proxy-Authorization", "auth"])
def test_a_known_scheme_and_one_token_are_a_credential(name: str, scheme: str) -> None:
    """The scheme is shown, the token is not, and the call can be approved."""
    assert {name: f"{scheme} ‹redacted 18 chars›"} == REDACTION.redact({name: f"{scheme} aZ3kQ9mX7vB2nL5tR8"})


@pytest.mark.parametrize(
    "value",
    [
        "Bearer rm -rf /srv",
        "Bearer ../../etc/passwd",
        "Bearer https://evil.example/x",
        "Basic cm0gLXJmIC9zcnYvZGF0YQ==",
        "Basic YW5uOnJtIC1yZiAvc3J2",
        "Run aZ3kQ9mX7vB2nL5tR8",
        "Bearer aZ3kQ9mX7vB2nL5tR8 and reboot",
    ],
)
def test_all_else_in_an_authorization_header_is_text(value: str) -> None:
    """An unknown scheme, words, paths and encoded code: nobody can approve."""
    assert " of text›" in written(REDACTION.redact({"Authorization": value}))
