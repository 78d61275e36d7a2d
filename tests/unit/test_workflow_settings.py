"""`teams-webhook:` under alerts: an address that is a secret, on hosts of Microsoft's or the operator's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapters.settings import PolicyFile, read_policy_file
from bot.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SIGNED = "/powerautomate/automations/direct/workflows/x/triggers/manual/paths/invoke?api-version=1&sig=s3cret"
NEW = f"https://default1a2b.c3.environment.api.powerplatform.com:443{SIGNED}"
OLD = f"https://prod-23.westeurope.logic.azure.com:443{SIGNED}"
ENTRY = "teams-webhook:${TEAMS_WORKFLOW_URL}"


def read(folder: Path, entry: str = ENTRY) -> PolicyFile:
    """A file with this entry on line 3."""
    path = folder / "nod.yaml"
    routes = "routes: [{name: default, match: {}, cards: [slack:C0A], approvers: []}]"
    path.write_text(f"people: {{ann: {{}}}}\n{routes}\nalerts: ['{entry}']\n")
    return read_policy_file(path)


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        (NEW, ""),
        (OLD, ""),
        (f"https://flows.acme.example{SIGNED}", "x.example, Flows.acme.example"),
        ("http://127.0.0.1:9000/x", "127.0.0.1"),
        ("https://flows.acme.example:8443/x", "flows.acme.example:8443"),
    ],
)
def test_an_allowed_address_is_taken_and_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, hosts: str
) -> None:
    """Power Automate's own hosts, and those that NOD_TEAMS_WEBHOOK_HOSTS lists."""
    monkeypatch.setenv("TEAMS_WORKFLOW_URL", address)
    monkeypatch.setenv("NOD_TEAMS_WEBHOOK_HOSTS", hosts)
    file = read(tmp_path)

    assert [("teams-webhook", address)] == [(one.kind, one.value.get_secret_value()) for one in file.pagers]
    assert "s3cret" not in repr(file)
    assert () == file.policy.alerts


@pytest.mark.parametrize(
    "address",
    [
        f"https://acme.example{SIGNED}",
        f"https://logic.azure.com{SIGNED}",
        f"https://evillogic.azure.com{SIGNED}",
        f"https://prod.logic.azure.com.acme.example{SIGNED}",
        f"https://prod.logic.azure.com@acme.example{SIGNED}",
        f"https://prod.logic.azure.com:8443{SIGNED}",
        f"https://api.powerplatform.com{SIGNED}",
        f"http://prod.logic.azure.com{SIGNED}",
        f"http://127.0.0.1:9000{SIGNED}",
        f"https://acme.webhook.office.com{SIGNED}",
        "s3cret",
    ],
)
def test_any_other_address_is_refused_without_being_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """A mistake must not send what agents do to a stranger, nor put the address into a log."""
    monkeypatch.setenv("TEAMS_WORKFLOW_URL", address)
    with pytest.raises(ConfigError) as caught:
        read(tmp_path)

    assert caught.value.where.endswith("line 3")
    assert "s3cret" not in str(caught.value)
    assert "acme" not in str(caught.value)


@pytest.mark.parametrize("written", [OLD, f"{OLD}${{TOKEN}}", "${TEAMS_WORKFLOW_URL}x"])
def test_the_address_stands_in_the_environment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    """Whoever reads nod.yaml could post to the channel otherwise."""
    monkeypatch.setenv("TEAMS_WORKFLOW_URL", OLD)
    monkeypatch.setenv("TOKEN", "x")
    with pytest.raises(ConfigError, match="the address of teams-webhook must be a variable"):
        read(tmp_path, f"teams-webhook:{written}")


def test_an_address_that_is_not_set_is_named_by_its_variable(tmp_path: Path) -> None:
    """As with every other entry."""
    with pytest.raises(ConfigError, match="TEAMS_WORKFLOW_URL is not set"):
        read(tmp_path)
