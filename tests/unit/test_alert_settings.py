"""`alerts:` in nod.yaml: who gets them, with keys that only the environment has and that no message repeats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.settings import Environment, PolicyFile, read_environment, read_policy_file, webhook_secret
from bot.errors import ConfigError
from bot.surface import Destination, Surface
from tests.servers.pagers import API_KEY, ROUTING_KEY, WEBHOOK_SECRET

HEAD = """people: {ann: {email: ann@acme.example}}
routes:
- {name: default, match: {}, cards: [slack:C0A], approvers: [ann]}
alerts:
- slack:C0ALERTS
"""
TOKEN = "s3cretT0ken"
LINE = 6


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the operator has set."""
    for name, value in {
        "PAGERDUTY_ROUTING_KEY": ROUTING_KEY,
        "OPSGENIE_API_KEY": API_KEY,
        "HOOK_TOKEN": TOKEN,
        "EMPTY": "",
        "WITH_SPACE": f"{TOKEN} x",
        "NESTED": "${HOOK_TOKEN}" + "x" * 19,
        "ALERTS_CHANNEL": "C0OTHER",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("UNSET", raising=False)


def read(folder: Path, *entries: str) -> PolicyFile:
    """A file with these entries under `alerts` from line 6."""
    path = folder / "nod.yaml"
    path.write_text(HEAD + "".join(f"- '{entry}'\n" for entry in entries))
    return read_policy_file(path)


def found(file: PolicyFile) -> list[tuple[str, str]]:
    return [(pager.kind, pager.value.get_secret_value()) for pager in file.pagers]


def test_channels_and_services_stand_beside_one_another(tmp_path: Path) -> None:
    """Each once, channels in the policy and services beside it, with their variables replaced."""
    entries = (
        "pagerduty:${PAGERDUTY_ROUTING_KEY}",
        "opsgenie:${OPSGENIE_API_KEY}",
        "webhook:https://hooks.acme.example/nod/${HOOK_TOKEN}?a=1",
        "pagerduty:${PAGERDUTY_ROUTING_KEY}",
        "slack:${ALERTS_CHANNEL}",
        "slack:C0ALERTS",
    )
    file = read(tmp_path, *entries)

    assert [
        ("pagerduty", ROUTING_KEY),
        ("opsgenie", API_KEY),
        ("webhook", f"https://hooks.acme.example/nod/{TOKEN}?a=1"),
    ] == found(file)
    channels = ("C0ALERTS", "C0OTHER")
    assert file.policy.alerts == tuple(Destination(surface=Surface.SLACK, channel=one) for one in channels)


@pytest.mark.parametrize(
    "address",
    [
        "https://acme.example",
        "https://acme.example:8443/a/b?c=d",
        "http://127.0.0.1:9000/x",
        "http://localhost/x",
        "http://[::1]:9000/x",
    ],
)
def test_addresses_that_a_webhook_may_have(tmp_path: Path, address: str) -> None:
    """https anywhere, plain http on this machine only."""
    assert [("webhook", address)] == found(read(tmp_path, f"webhook:{address}"))


NO_ADDRESS = "must be an address such as https://host/path"
BAD_ENTRIES = [
    ("pagerduty:${UNSET}", "UNSET is not set in the environment", "Set it where Nod runs"),
    ("pagerduty:${EMPTY}", "EMPTY is not set in the environment", "Set it where Nod runs"),
    ("webhook:https://acme.example/${UNSET}", "UNSET is not set in the environment", "Set it where Nod runs"),
    ("slack:${UNSET}", "UNSET is not set in the environment", "Set it where Nod runs"),
    (
        f"pagerduty:{ROUTING_KEY}",
        "must come from an environment variable",
        "Put the key into an environment variable",
    ),
    (
        f"opsgenie:{API_KEY}",
        "must come from an environment variable",
        "Put the key into an environment variable",
    ),
    (
        "pagerduty:x${PAGERDUTY_ROUTING_KEY}",
        "must come from an environment variable",
        "Put the key into an environment variable",
    ),
    ("pagerduty:", "must come from an environment variable", "Put the key into an environment variable"),
    ("pagerduty:${}", "does not contain the name of a variable", "Write it like"),
    ("pagerduty:${NOT A NAME}", "does not contain the name of a variable", "Write it like"),
    ("webhook:https://acme.example/${OPEN", "does not contain the name of a variable", "Write it like"),
    ("pagerduty:${HOOK_TOKEN}", "integration key of 32 letters and digits", "Correct it"),
    ("pagerduty:${NESTED}", "integration key of 32 letters and digits", "Correct it"),
    ("opsgenie:${WITH_SPACE}", "its value must be an API integration's key", "Correct it"),
    ("slack:${HOOK_TOKEN}", "must be a channel by its id", "Correct it"),
    (
        "webhook:https://acme.example/${AIP_API_KEY}",
        "AIP_API_KEY is one of Nod's own settings",
        "Use another variable",
    ),
    (
        "webhook:https://acme.example/${NOD_SECRET}",
        "NOD_SECRET is one of Nod's own settings",
        "Use another variable",
    ),
    (
        "webhook:https://acme.example/${OPSGENIE_API_KEY}",
        "OPSGENIE_API_KEY is one of Nod's own settings",
        "Use another variable",
    ),
    ("pagerduty:${OPSGENIE_API_KEY}", "OPSGENIE_API_KEY is one of Nod's own settings", "Use another variable"),
    ("webhook:http://acme.example/x", "must begin with https://", "Correct it"),
    ("webhook:ftp://acme.example/x", "must begin with https://", "Correct it"),
    ("webhook:https://ann:pw@acme.example/x", NO_ADDRESS, "Correct it"),
    ("webhook:https://acme.example/x#y", NO_ADDRESS, "Correct it"),
    ("webhook:https://acme.example:0/x", NO_ADDRESS, "Correct it"),
    ("webhook:https://acme.example:99999/x", NO_ADDRESS, "Correct it"),
    ("webhook:https://acme..example/x", NO_ADDRESS, "Correct it"),
    ("webhook:https://[::1/x", "is not a valid URL", "Correct it"),
    ("webhook:https://acme.example/${WITH_SPACE}", NO_ADDRESS, "Correct it"),
    (f"webhook:https://{'a' * 64}.example/x", NO_ADDRESS, "Correct it"),
    ("webhook:https:///x", NO_ADDRESS, "Correct it"),
    ("webhook:", NO_ADDRESS, "Correct it"),
    ("pigeon:coop", "must be a channel by its id", "pagerduty:${PAGERDUTY_ROUTING_KEY}"),
    ("C0ALERTS", "must be a channel by its id", "Write slack:C0123456789"),
    ("x" * 2101, "at most 2100 characters", "Correct it"),
]


@pytest.mark.parametrize(("entry", "what", "fix"), BAD_ENTRIES, ids=[entry[:40] for entry, *_ in BAD_ENTRIES])
def test_a_bad_entry_is_named_by_line_and_never_by_its_secret(
    tmp_path: Path, entry: str, what: str, fix: str
) -> None:
    """The line, what is wrong and what to do; neither what a variable holds nor a key from the file."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, entry)

    error = caught.value
    assert f"{tmp_path / 'nod.yaml'}, line {LINE}" == error.where
    assert what in error.what
    assert fix in error.fix
    for secret in (ROUTING_KEY, API_KEY, TOKEN):
        assert secret not in str(error)


def test_only_alerts_have_variables(tmp_path: Path) -> None:
    """Elsewhere `${NAME}` is the text that it is."""
    path = tmp_path / "nod.yaml"
    path.write_text(HEAD.replace("cards:", 'why: "${HOOK_TOKEN}", cards:'))

    assert "${HOOK_TOKEN}" == read_policy_file(path).policy.routes[0].why


def test_no_secret_shows_where_the_settings_are_printed(tmp_path: Path) -> None:
    """A traceback or a log line with the settings in it holds no key."""
    file = read(tmp_path, "pagerduty:${PAGERDUTY_ROUTING_KEY}", "webhook:https://acme.example/${HOOK_TOKEN}")

    assert ROUTING_KEY not in repr(file)
    assert TOKEN not in repr(file)
    assert ROUTING_KEY not in repr(file.policy)


def environment(**more: Any) -> Environment:
    return Environment.model_validate({"AIP_API_URL": "http://127.0.0.1:1", "AIP_API_KEY": "k"} | more)


def test_a_webhook_needs_a_secret_to_sign_with(tmp_path: Path) -> None:
    """It is missed at the start; without a webhook nobody needs it."""
    with_one = read(tmp_path, "webhook:https://acme.example/x")
    without = read(tmp_path, "pagerduty:${PAGERDUTY_ROUTING_KEY}")

    with pytest.raises(ConfigError, match=r"NOD_WEBHOOK_SECRET is not set, but nod\.yaml names a webhook"):
        webhook_secret(environment(), with_one.pagers)
    assert webhook_secret(environment(), without.pagers) is None
    given = environment(NOD_WEBHOOK_SECRET=WEBHOOK_SECRET)
    assert WEBHOOK_SECRET == webhook_secret(given, with_one.pagers)


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("NOD_WEBHOOK_SECRET", "hunter2" * 4, "is too short (32 characters or more)"),
        ("NOD_PAGERDUTY_URL", "http://events.acme.example", "must begin with https://"),
        ("NOD_OPSGENIE_URL", "api.opsgenie.com", "must begin with https://"),
    ],
)
def test_a_bad_variable_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, what: str
) -> None:
    """A short secret can be guessed, and plain http can be read on the way."""
    for known, usual in {"AIP_API_URL": "http://127.0.0.1:1", "AIP_API_KEY": "k", name: value}.items():
        monkeypatch.setenv(known, usual)

    with pytest.raises(ConfigError) as caught:
        read_environment()

    assert name == caught.value.where
    assert what in caught.value.what
    assert value not in str(caught.value)
    assert caught.value.fix != "Correct it."


def test_the_real_services_are_the_default() -> None:
    """Addresses are set for other regions and for tests only."""
    settings = environment()

    assert "https://events.pagerduty.com" == settings.pagerduty_url
    assert "https://api.opsgenie.com" == settings.opsgenie_url
