"""Switches, secrets and addresses of the environment: what they may hold, and what a refusal gives away."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from adapters.serving.serve import listen
from adapters.settings import LocalEnvironment, read_environment, read_local_environment
from bot.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "on"),
    [(None, False), ("", False), ("false", False), ("FALSE", False), ("true", True), ("TrUe", True)],
)
def test_auto_approval_is_a_switch(monkeypatch: pytest.MonkeyPatch, value: str | None, on: bool) -> None:
    """`true` in any case, as the platform reads it."""
    if value is not None:
        monkeypatch.setenv("GLAIP_HITL_AUTO_APPROVE", value)

    assert on is read_local_environment().auto_approve


@pytest.mark.parametrize("value", ["1", "yes", "on", "treu"])
def test_a_switch_that_is_neither_on_nor_off_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """Guessing would approve everything, or ask people who were promised they need not be."""
    monkeypatch.setenv("GLAIP_HITL_AUTO_APPROVE", value)

    with pytest.raises(ConfigError, match="GLAIP_HITL_AUTO_APPROVE must be true or false"):
        read_local_environment()


OLD, NEW = "9f86d081884c7d659a2feaf0c55ad015", "4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb0"


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        (NEW, (NEW,)),
        (f"{NEW},{OLD}", (NEW, OLD)),
        (f" {NEW} , {OLD} ", (NEW, OLD)),
        (f'"{NEW},{OLD}"\r', (NEW, OLD)),
        (f"'{NEW}','{OLD}'", (NEW, OLD)),
    ],
)
def test_a_secret_may_be_in_rotation(
    monkeypatch: pytest.MonkeyPatch, value: str, secrets: tuple[str, ...]
) -> None:
    """The new one seals, and both open."""
    at_platform(monkeypatch, NOD_SECRET=value)

    assert secrets == read_environment().seal_secrets()


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("NOD_SECRET", "hunter2" * 4, "too short (32"),
        ("NOD_SECRET", f"{NEW},hunter2", "too short (32"),
        ("NOD_SECRET", f"{NEW},", "too short (32"),
        ("NOD_SECRET", f"{NEW},{OLD},{'hunter2' * 5}", "more than 2"),
        ("NOD_SECRET", f"{'hunter2' * 5},{'hunter2' * 5}", "the same secret twice"),
        ("NOD_SECRET", "h" * 32, "fewer than 8 different characters"),
        ("NOD_SECRET", f"{NEW},{'hunter2-xyz' * 4}", "repeats one short text"),
        ("NOD_SECRET", "please-change-me-hunter2-nobody-does", "a placeholder"),
        ("NOD_SECRET", "My-Pass-Word-hunter2-for-nod-in-2026", "a placeholder"),
        ("NOD_SECRET", "0123456789abcdef" * 2, "a placeholder"),
        ("NOD_WEBHOOK_SECRET", "ab" * 16, "fewer than 8 different characters"),
        ("NOD_RELAY_TOKEN", "hunter2-xyz" * 4, "repeats one short text"),
        ("AIP_API_URL", "http://hunter2.example", "is http:// to another machine"),
        ("AIP_API_URL", "http://[hunter2", "not a valid URL"),
        ("AIP_API_KEY", "hunter2 \n x", "spaces"),
        ("NOD_AUDIT_WEBHOOK", "http://hunter2.example/x", "https://"),
        ("NOD_AUDIT_WEBHOOK", "https://", "https://"),
        ("NOD_GRAPH_URL", "http://hunter2.example", "https://"),
        ("NOD_LOGIN_URL", "ftp://hunter2.example", "https://"),
        ("NOD_LOGIN_URL", "https://[hunter2", "not a valid URL"),
        ("NOD_PAGERDUTY_API_URL", "http://hunter2.example", "https://"),
        ("NOD_HEARTBEAT_URL", "http://hunter2.example", "https://"),
        ("NOD_HEARTBEAT_URL", "https://[hunter2", "not a valid URL"),
        ("PAGERDUTY_API_KEY", "hunter2 x", "spaces"),
        ("OPSGENIE_API_KEY", "hunter2\nx", "spaces"),
    ],
)
def test_a_bad_variable_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, what: str
) -> None:
    """The message can be pasted anywhere."""
    at_platform(monkeypatch, **{name: value})

    with pytest.raises(ConfigError) as caught:
        read_environment()

    assert name == caught.value.where
    assert what in caught.value.what
    assert "hunter2" not in str(caught.value)


def test_without_a_secret_no_button_can_be_told_from_a_forged_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fix says how to make one."""
    at_platform(monkeypatch)

    with pytest.raises(ConfigError, match="openssl rand"):
        read_environment().seal_secrets()


def test_checkpoints_may_go_to_this_machine_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback never leaves the machine."""
    at_platform(
        monkeypatch, NOD_AUDIT_WEBHOOK="http://127.0.0.1:9/x", NOD_AUDIT_KEY="k", NOD_AUDIT_CHECKPOINTS="c"
    )
    environment = read_environment()

    assert "http://127.0.0.1:9/x" == environment.audit_webhook
    assert (Path("k"), Path("c")) == (environment.audit_key, environment.audit_checkpoints)


def test_the_policy_tools_need_no_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reviewer has no keys."""
    monkeypatch.setenv("NOD_CONFIG", "new.yaml")

    assert LocalEnvironment(NOD_CONFIG="new.yaml") == read_local_environment()  # type: ignore[call-arg]  # by alias


@pytest.mark.parametrize("around", ['"{}"', "'{}'", "{}\r", ' "{}" \r\n', "“{}”", "\ufeff{}", "{}\n"])
def test_what_env_files_leave_around_a_value_is_not_part_of_it(
    monkeypatch: pytest.MonkeyPatch, around: str
) -> None:
    """Quotes, blanks and line ends around addresses, keys, switches, numbers, words, paths and lists."""
    values = {
        "AIP_API_URL": "https://platform.example",
        "AIP_API_KEY": "k-1",
        "NOD_SECRET": NEW,
        "NOD_PORT": "3001",
        "NOD_HOST": "127.0.0.1",
        "NOD_CONFIG": "other.yaml",
        "NOD_LOG_FORMAT": "json",
        "GLAIP_HITL_AUTO_APPROVE": "true",
        "SLACK_BOT_TOKEN": "xoxb-1",
        "NOD_TEAMS_SERVICE_HOSTS": "a.example,b.example",
        "MicrosoftAppType": "MultiTenant",
    }
    at_platform(monkeypatch, **{name: around.format(value) for name, value in values.items()})

    found = read_environment()

    assert ("https://platform.example", "k-1") == (found.aip_api_url, found.aip_api_key.get_secret_value())
    assert (NEW,) == found.seal_secrets()
    assert ("127.0.0.1", 3001, Path("other.yaml")) == (found.host, found.port, found.config)
    assert ("json", True, "MultiTenant") == (found.log_format, found.auto_approve, found.microsoft_app_type)
    assert found.slack_bot_token is not None
    assert "xoxb-1" == found.slack_bot_token.get_secret_value()
    assert "a.example,b.example" == found.teams_service_hosts


@pytest.mark.parametrize("empty", ["", '""', " ", "''\r"])
def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    """As if it were not there."""
    at_platform(monkeypatch, NOD_PORT=empty, SLACK_BOT_TOKEN=empty)
    assert (3000, None) == (read_environment().port, read_environment().slack_bot_token)
    at_platform(monkeypatch, AIP_API_KEY=empty)
    with pytest.raises(ConfigError, match="AIP_API_KEY is not set"):
        read_environment()


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"AIP_API_URL": "http://platform:8000"}, "AIP_API_URL"),
        ({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_API_URL": "http://10.0.0.7/api/"}, "SLACK_API_URL"),
        ({"SLACK_API_URL": "http://10.0.0.7/api/"}, None),
        ({"AIP_API_URL": "http://127.8.9.10:8000"}, None),
        ({"AIP_API_URL": "http://[::1]:8000"}, None),
        ({"AIP_API_URL": "https://platform.example"}, None),
    ],
)
def test_keys_go_over_the_network_in_the_clear_only_where_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str], named: str | None
) -> None:
    """This machine itself needs no permission."""
    at_platform(monkeypatch, **more)
    if named is None:
        assert () == read_environment().in_the_clear()
        return
    with pytest.raises(ConfigError, match="NOD_ALLOW_PLAIN_HTTP=true") as caught:
        read_environment()
    assert named == caught.value.where

    monkeypatch.setenv("NOD_ALLOW_PLAIN_HTTP", "true")
    assert (named,) == read_environment().in_the_clear()


@pytest.mark.parametrize(
    ("host", "port", "named"),
    [
        ("203.0.113.7", 0, "NOD_HOST"),
        ("no-such-host.invalid", 0, "NOD_HOST"),
        ("http://127.0.0.1", 0, "NOD_HOST"),
        ("999.1.1.1", 0, "NOD_HOST"),
        ("a" * 70, 0, "NOD_HOST"),
        ("127.0.0.1", None, "NOD_PORT"),
    ],
)
def test_where_nod_cannot_listen_is_told_by_the_variable_that_is_wrong(
    host: str, port: int | None, named: str
) -> None:
    """An address of another machine, no address at all, and a port that is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError) as caught:
        listen(
            host, taken.getsockname()[1] if port is None else port, host_named="NOD_HOST", port_named="NOD_PORT"
        )

    assert named == caught.value.where
    assert named in caught.value.fix


def at_platform(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    """A good environment, with these variables besides."""
    for name, value in {"AIP_API_URL": "http://localhost:8000", "AIP_API_KEY": "k", **more}.items():
        monkeypatch.setenv(name, value)
