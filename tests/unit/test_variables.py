"""Switches, secrets and addresses of the environment: what they may hold, and what a refusal gives away."""

from __future__ import annotations

from pathlib import Path

import pytest

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

    with pytest.raises(ConfigError, match="GLAIP_HITL_AUTO_APPROVE: must be true or false"):
        read_local_environment()


OLD, NEW = "o" * 32, "n" * 40


@pytest.mark.parametrize(
    ("value", "secrets"), [(NEW, (NEW,)), (f"{NEW},{OLD}", (NEW, OLD)), (f" {NEW} , {OLD} ", (NEW, OLD))]
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
        ("NOD_SECRET", "hunter2" * 4, "shorter than 32"),
        ("NOD_SECRET", f"{NEW},hunter2", "shorter than 32"),
        ("NOD_SECRET", f"{NEW},", "shorter than 32"),
        ("NOD_SECRET", f"{NEW},{OLD},{'hunter2' * 5}", "more than 2"),
        ("NOD_SECRET", f"{'hunter2' * 5},{'hunter2' * 5}", "the same secret twice"),
        ("NOD_AUDIT_WEBHOOK", "http://hunter2.example/x", "https://"),
        ("NOD_AUDIT_WEBHOOK", "https://", "https://"),
        ("NOD_GRAPH_URL", "http://hunter2.example", "https://"),
        ("NOD_LOGIN_URL", "ftp://hunter2.example", "https://"),
        ("NOD_LOGIN_URL", "https://[hunter2", "no address"),
        ("NOD_PAGERDUTY_API_URL", "http://hunter2.example", "https://"),
        ("NOD_HEARTBEAT_URL", "http://hunter2.example", "https://"),
        ("NOD_HEARTBEAT_URL", "https://[hunter2", "no address"),
        ("PAGERDUTY_API_KEY", "hunter2 x", "white space"),
        ("OPSGENIE_API_KEY", "hunter2\n", "white space"),
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


def at_platform(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    """A good environment, with these variables besides."""
    for name, value in {"AIP_API_URL": "http://localhost:8000", "AIP_API_KEY": "k", **more}.items():
        monkeypatch.setenv(name, value)
