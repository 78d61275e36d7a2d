"""`workflows:` in nod.yaml: an address that is a secret, and places that are told and cannot answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapters.plugins import check_places, read_chats
from adapters.settings import (
    Environment,
    PolicyFile,
    read_environment,
    read_policy_file,
)
from adapters.teams_plugin import TeamsSetUp
from bot.errors import ConfigError
from bot.surface import Destination, Surface

if TYPE_CHECKING:
    from pathlib import Path

SIGNED = "/powerautomate/automations/direct/workflows/x/triggers/manual/paths/invoke?api-version=1&sig=s3cret"
NEW = f"https://default1a2b.c3.environment.api.powerplatform.com:443{SIGNED}"
OLD = f"https://prod-23.westeurope.logic.azure.com:443{SIGNED}"
FEED = Destination(surface=Surface.TEAMS, channel="ops-feed")


def text(
    *,
    entry: str = '{ops-feed: "${OPS_FLOW_URL}"}',
    cards: str = "slack:C0A, teams:ops-feed",
    approvers: str = "ann",
    alerts: str = "teams:ops-feed",
) -> str:
    """A file with workflows on line 2, cards on line 4 and alerts on line 6."""
    return (
        f"people: {{ann: {{}}}}\nworkflows: {entry}\n"
        f"routes:\n- {{name: default, match: {{}}, cards: [{cards}],\n"
        f"   approvers: [{approvers}]}}\nalerts: [{alerts}]\n"
    )


def read(folder: Path, **parts: str) -> PolicyFile:
    path = folder / "nod.yaml"
    path.write_text(text(**parts))
    return read_policy_file(path)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A platform, Slack, and a flow."""
    for field in Environment.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.setenv("AIP_API_URL", "http://localhost:8000")
    monkeypatch.setenv("AIP_API_KEY", "k")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "0123456789abcdef")
    monkeypatch.setenv("OPS_FLOW_URL", NEW)
    return monkeypatch


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
    tmp_path: Path, surroundings: pytest.MonkeyPatch, address: str, hosts: str
) -> None:
    """Power Automate's own hosts, and those that NOD_TEAMS_WEBHOOK_HOSTS lists."""
    surroundings.setenv("OPS_FLOW_URL", address)
    surroundings.setenv("NOD_TEAMS_WEBHOOK_HOSTS", hosts)
    file = read(tmp_path)

    assert {"ops-feed": address} == {name: one.get_secret_value() for name, one in file.workflows.items()}
    assert "s3cret" not in repr(file)
    assert "s3cret" not in repr(read_chats(read_environment(), file))


@pytest.mark.parametrize(
    "address",
    [
        f"https://acme.example{SIGNED}",
        f"https://acme.example/.logic.azure.com{SIGNED}",
        f"https://logic.azure.com{SIGNED}",
        f"https://evillogic.azure.com{SIGNED}",
        f"https://prod.logic.azure.com.acme.example{SIGNED}",
        f"https://prod.logic.azure.com@acme.example{SIGNED}",
        f"https://x@prod.logic.azure.com{SIGNED}",
        f"https://prod.logic.azure.com:8443{SIGNED}",
        f"https://[acme{SIGNED}",
        f"https://api.powerplatform.com{SIGNED}",
        f"http://prod.logic.azure.com{SIGNED}",
        f"http://127.0.0.1:9000{SIGNED}",
        f"https://acme.webhook.office.com{SIGNED}",
        "s3cret",
    ],
)
def test_any_other_address_is_refused_without_being_told(
    tmp_path: Path, surroundings: pytest.MonkeyPatch, address: str
) -> None:
    """A mistake must not send what agents do to a stranger, nor put the address into a log."""
    surroundings.setenv("OPS_FLOW_URL", address)
    with pytest.raises(ConfigError, match=r"workflows\.ops-feed: its URL") as caught:
        read(tmp_path)

    assert caught.value.where.endswith("line 2")
    assert "s3cret" not in str(caught.value)
    assert "acme" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        (f"{{ops-feed: '{OLD}'}}", "the URL must come from an environment variable"),
        (f"{{ops-feed: '{OLD}${{TOKEN}}'}}", "the URL must come from an environment variable"),
        ('{ops-feed: "${OPS_FLOW_URL}x"}', "the URL must come from an environment variable"),
        ('{ops-feed: "${UNSET}"}', "workflows.ops-feed: UNSET is not set in the environment"),
        ('{ops-feed: "${NOD_SECRET}"}', "NOD_SECRET is one of Nod's own settings, which Nod never sends out"),
        ('{ops-feed: "${NOD_TEAMS_WEBHOOK_HOSTS}"}', "is one of Nod's own settings"),
        ('{ops-feed: "${}"}', "does not contain the name of a variable"),
        ('{Ops-Feed: "${OPS_FLOW_URL}"}', "'Ops-Feed' cannot be used as a name after `teams:`"),
        ('{ops feed: "${OPS_FLOW_URL}"}', "'ops feed' cannot be used as a name after `teams:`"),
        ('{"ops#feed": "${OPS_FLOW_URL}"}', "'ops#feed' cannot be used as a name after `teams:`"),
    ],
)
def test_what_is_wrong_with_an_entry_is_said_by_its_line(tmp_path: Path, entry: str, what: str) -> None:
    """The address is in the environment only, and the name is one by which a place can lead there."""
    with pytest.raises(ConfigError, match="line 2") as caught:
        read(tmp_path, entry=entry)

    assert what in caught.value.what
    assert caught.value.fix
    assert "s3cret" not in str(caught.value)


def test_a_route_must_have_a_place_where_people_can_answer(tmp_path: Path) -> None:
    """The approvers could not answer: that is found when the file is read, not at the first deadline."""
    with pytest.raises(ConfigError, match="only to workflows, where nobody can decide") as caught:
        read(tmp_path, cards="teams:ops-feed")

    assert caught.value.where.endswith("line 4")
    assert "approvers: []" in caught.value.fix
    assert (FEED,) == read(tmp_path, cards="teams:ops-feed", approvers="").policy.routes[0].cards


def test_alerts_have_one_way_to_a_workflow(tmp_path: Path) -> None:
    """By its name, as everything else; an address under alerts is no kind of entry."""
    assert (FEED,) == read(tmp_path).policy.alerts
    with pytest.raises(ConfigError, match="must be a channel by its id"):
        read(tmp_path, alerts='"teams-webhook:${OPS_FLOW_URL}"')


@pytest.mark.parametrize(("cards", "alerts"), [("slack:C0A, teams:ops-feed", ""), ("slack:C0A", FEED)])
def test_a_workflow_needs_no_bot(tmp_path: Path, cards: str, alerts: object) -> None:
    """No Microsoft variable is asked for: the address is enough."""
    chats = read_chats(read_environment(), read(tmp_path, cards=cards, alerts=str(alerts)))

    teams = chats[Surface.TEAMS]
    assert isinstance(teams, TeamsSetUp)
    assert (True, None, {"ops-feed"}) == (Surface.SLACK in chats, teams.bot, set(teams.workflows))


def test_any_other_place_in_teams_needs_the_bot(tmp_path: Path) -> None:
    """A name that is no workflow's is a conversation's, and a typing error is told with both remedies."""
    with pytest.raises(ConfigError, match="teams:ops-fed is in Teams, which is not set up") as caught:
        read_chats(read_environment(), read(tmp_path, cards="slack:C0A, teams:ops-fed"))

    assert "MicrosoftAppId" in caught.value.fix
    assert "workflows" in caught.value.fix


def test_a_changed_file_gets_by_with_the_workflows_of_the_start(tmp_path: Path) -> None:
    """A place on a new one is refused by its line; so is one that lost its address, where there is no bot."""
    started = read_chats(read_environment(), read(tmp_path))
    check_places(read(tmp_path), started)
    with pytest.raises(
        ConfigError, match="teams:news is a new workflow, which Nod reads only at start-up"
    ) as caught:
        check_places(read(tmp_path, entry='{news: "${OPS_FLOW_URL}"}', alerts="teams:news"), started)
    assert caught.value.where.endswith("line 6")
    with pytest.raises(ConfigError, match="teams:ops-feed is in Teams, which is not set up"):
        check_places(read(tmp_path, entry="{}"), started)
    with pytest.raises(ConfigError, match="teams:ops-feed is a new workflow"):
        check_places(read(tmp_path), {Surface.SLACK: started[Surface.SLACK]})
