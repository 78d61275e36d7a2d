"""Teams in the settings: when it is set up, what its variables may hold, and how nod.yaml names its places."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.clouds import PUBLIC
from adapters.plugins import check_places, read_chats
from adapters.settings import (
    Environment,
    PolicyFile,
    TeamsSettings,
    read_environment,
    read_policy_file,
    read_teams,
)
from adapters.teams.conversations import named
from bot.errors import ConfigError
from bot.surface import Destination, Surface

APP, TENANT = "6e0c9d0a-0f6f-4c0e-9a51-2f7a0b1c2d3e", "8f0a5c62-1f0e-4b5b-9d7e-2b6f3a1c9d10"
OTHER = "11111111-2222-4333-8444-555555555555"
SECRET = "hunter2hunter2hunter2"
TEAMS = {"MicrosoftAppId": APP, "MicrosoftAppPassword": SECRET, "MicrosoftAppTenantId": TENANT}
SLACK = {"SLACK_BOT_TOKEN": f"xoxb-{SECRET}", "SLACK_SIGNING_SECRET": SECRET}
ID = "19:0a1b_C-2@thread.tacv2"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A platform, and no chat at all."""
    for field in Environment.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.setenv("AIP_API_URL", "http://localhost:8000")
    monkeypatch.setenv("AIP_API_KEY", "k")
    return monkeypatch


def set_up(surroundings: pytest.MonkeyPatch, *groups: dict[str, str], **more: str) -> Environment:
    """The environment with these variables; an empty one is not set."""
    for name, value in {k: v for group in groups for k, v in group.items()}.items() | more.items():
        surroundings.setenv(name, value)
    return read_environment()


def read(folder: Path, *, cards: str = "teams:finance", rung: str = "", alerts: str = "") -> PolicyFile:
    """A file with its cards on line 3, the rung's on line 4 and alerts on line 5."""
    path = folder / "nod.yaml"
    ladder = f"[{{at: 50%, do: fallback, cards: ['{rung}']}}]" if rung else "[]"
    path.write_text(
        "people: {ann: {email: ann@acme.example}}\n"
        f"routes:\n- {{name: default, match: {{}}, cards: ['{cards}'], approvers: [ann],\n"
        f"   ladder: {ladder}}}\nalerts: [{alerts}]\n"
    )
    return read_policy_file(path)


def teams_of(environment: Environment, file: PolicyFile) -> TeamsSettings:
    teams = read_teams(environment, file)
    assert teams is not None
    return teams


def test_teams_alone_is_a_chat(surroundings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three variables and a place; no variable of Slack's is needed, and the defaults are the adapter's own."""
    environment, file = set_up(surroundings, TEAMS), read(tmp_path)

    assert {Surface.TEAMS} == read_chats(environment, file).keys()
    found = teams_of(environment, file)
    assert (APP, TENANT, "SingleTenant") == (found.app_id, found.tenant_id, found.app_type)
    assert PUBLIC == found.cloud
    assert "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token" == found.cloud.token_url
    assert ((), False) == (found.tenants, found.dangerously_allow_unauthenticated)
    assert SECRET == found.app_password.get_secret_value()
    assert SECRET not in repr(found)


def test_the_microsoft_variables_alone_open_no_teams(surroundings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They read Entra groups as well: without a place in Teams nothing of it is opened."""
    chats = read_chats(set_up(surroundings, TEAMS, SLACK), read(tmp_path, cards="slack:C0A"))

    assert {Surface.SLACK} == chats.keys()


@pytest.mark.parametrize("where", ["cards", "rung", "alerts"])
def test_any_place_in_teams_opens_it(surroundings: pytest.MonkeyPatch, tmp_path: Path, where: str) -> None:
    """In a route, on a rung or under alerts, beside Slack."""
    texts = {"cards": "slack:C0A", "rung": "", "alerts": "slack:C0B"} | {where: "teams:finance"}
    chats = read_chats(set_up(surroundings, TEAMS, SLACK), read(tmp_path, **texts))

    assert {Surface.SLACK, Surface.TEAMS} == chats.keys()


def test_sovereign_clouds_and_tests_set_their_addresses(
    surroundings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Hosts and tenants are lists; the token is bought at NOD_LOGIN_URL unless it has an address of its own."""
    more = {
        "NOD_TEAMS_SERVICE_HOSTS": "smba.infra.gcc.teams.microsoft.com, 127.0.0.1:9",
        "NOD_TEAMS_TENANTS": f"{OTHER.upper()},{TENANT}",
        "NOD_TEAMS_OPENID_URL": "http://127.0.0.1:9/keys",
        "NOD_LOGIN_URL": "https://login.example/",
        "MicrosoftAppType": "MultiTenant",
    }
    environment = set_up(surroundings, TEAMS, more)
    found = teams_of(environment, read(tmp_path))

    assert ("smba.infra.gcc.teams.microsoft.com", "127.0.0.1:9") == found.cloud.service_hosts
    assert (OTHER, TENANT) == found.tenants
    assert ("http://127.0.0.1:9/keys", "MultiTenant") == (found.cloud.openid_url, found.app_type)
    assert "https://login.example/{tenant}/oauth2/v2.0/token" == found.cloud.token_url
    surroundings.setenv("NOD_TEAMS_TOKEN_URL", "http://127.0.0.1:9/token")
    assert "http://127.0.0.1:9/token" == teams_of(read_environment(), read(tmp_path)).cloud.token_url


BAD_VARIABLES = [
    ("MicrosoftAppType", "UserAssignedMSI", "client secret", "SingleTenant"),
    ("MicrosoftAppType", "hunter2", "must be SingleTenant or MultiTenant", "SingleTenant"),
    ("NOD_TEAMS_OPENID_URL", "http://hunter2.example", "https://", "OpenID"),
    ("NOD_TEAMS_TOKEN_URL", "ftp://hunter2.example", "https://", "token endpoint"),
    ("NOD_TEAMS_SERVICE_HOSTS", "https://hunter2.example/", "must be hosts", "commas"),
    ("NOD_TEAMS_SERVICE_HOSTS", "*.hunter2.example", "must be hosts", "commas"),
    ("NOD_TEAMS_SERVICE_HOSTS", ",", "must be hosts", "commas"),
    ("NOD_TEAMS_WEBHOOK_HOSTS", "hunter2 x", "must be hosts", "commas"),
    ("NOD_TEAMS_TENANTS", "hunter2.example", "must be tenant ids", "commas"),
    ("DANGEROUSLY_ALLOW_UNAUTHENTICATED_TEAMS", "1", "must be true or false", "local test client"),
]


@pytest.mark.parametrize(("name", "value", "what", "fix"), BAD_VARIABLES)
def test_a_bad_variable_is_named_with_its_fix(
    surroundings: pytest.MonkeyPatch, name: str, value: str, what: str, fix: str
) -> None:
    """The message names the variable, says why and what to do, and repeats no value."""
    with pytest.raises(ConfigError) as caught:
        set_up(surroundings, {name: value})

    assert name == caught.value.where
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert "hunter2" not in str(caught.value)


BY_HALF = [
    ("MicrosoftAppId", "", "nod.yaml, line 3", "MicrosoftAppId is not set"),
    ("MicrosoftAppPassword", "", "MicrosoftAppPassword", "is not set"),
    ("MicrosoftAppTenantId", "", "MicrosoftAppTenantId", "is not set"),
    ("MicrosoftAppId", "nod", "MicrosoftAppId", "is not an id"),
    ("MicrosoftAppTenantId", "acme.example", "MicrosoftAppTenantId", "is not an id"),
]


@pytest.mark.parametrize(("name", "value", "where", "what"), BY_HALF)
def test_a_bot_that_is_set_up_by_half_does_not_start(
    surroundings: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, where: str, what: str
) -> None:
    """What is missing is named, or the place that needs it; a tenant's name cannot be told from another's."""
    environment = set_up(surroundings, TEAMS, {name: value})
    with pytest.raises(ConfigError) as caught:
        read_chats(environment, read(tmp_path))

    assert caught.value.where.endswith(where)
    assert what in caught.value.what
    assert caught.value.fix


def test_a_place_on_slack_without_slack_is_named_by_its_line(
    surroundings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Beside Teams, Slack's token is needed only where the file names Slack, and there it is missed."""
    environment = set_up(surroundings, TEAMS)
    with pytest.raises(ConfigError, match="slack:C0B is in Slack, which is not set up") as caught:
        read_chats(environment, read(tmp_path, rung="slack:C0B"))

    assert caught.value.where.endswith("line 4")
    assert "SLACK_BOT_TOKEN" in caught.value.fix


def test_a_changed_file_cannot_name_a_chat_that_was_not_opened(
    surroundings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Chats are opened at the start: a live change that needs another one is refused by its line."""
    check_places(
        read(tmp_path),
        read_chats(set_up(surroundings, TEAMS), read(tmp_path)),
    )
    with pytest.raises(ConfigError, match="teams:leads is in Teams") as caught:
        check_places(
            read(tmp_path, cards="slack:C0A", alerts="slack:C0B, teams:leads"),
            read_chats(set_up(surroundings, SLACK), read(tmp_path, cards="slack:C0A", alerts="slack:C0B")),
        )

    assert caught.value.where.endswith("line 5")
    assert "restart Nod" in caught.value.fix


OPEN_DOOR = {"DANGEROUSLY_ALLOW_UNAUTHENTICATED_TEAMS": "true", "MicrosoftAppTenantId": TENANT}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_the_open_door_opens_to_this_machine(
    surroundings: pytest.MonkeyPatch, tmp_path: Path, host: str
) -> None:
    """For a local test client that signs nothing: no app id, no password."""
    found = teams_of(set_up(surroundings, OPEN_DOOR, {"NOD_HOST": host}), read(tmp_path))

    assert ("", True) == (found.app_id, found.dangerously_allow_unauthenticated)


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        ("NOD_HOST", "0.0.0.0", "NOD_HOST"),
        ("NOD_HOST", "nod.acme.example", "NOD_HOST"),
        ("MicrosoftAppId", APP, "DANGEROUSLY_ALLOW_UNAUTHENTICATED_TEAMS"),
        ("MicrosoftAppTenantId", "", "MicrosoftAppTenantId"),
    ],
)
def test_the_open_door_opens_to_nobody_else(
    surroundings: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, where: str
) -> None:
    """Never where others could come, and not beside a bot that can tell who it is."""
    environment = set_up(surroundings, OPEN_DOOR, {name: value})
    with pytest.raises(ConfigError) as caught:
        read_chats(environment, read(tmp_path))

    assert where == caught.value.where


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("teams:finance-approvals", "finance-approvals"),
        ("teams:Finance  Approvals", "finance-approvals"),
        ("teams:Straße & Söhne", "strasse-&-söhne"),
        (f"teams:{ID}", ID),
        ("teams:19:0a1b@thread.v2", "19:0a1b@thread.v2"),
        ("teams:19:meeting_MDY=@thread.v2", "19:meeting_MDY=@thread.v2"),
        ("teams:19:0a1b@thread.skype", "19:0a1b@thread.skype"),
    ],
)
def test_places_in_teams_have_a_name_or_an_id(tmp_path: Path, text: str, channel: str) -> None:
    """A name is taken as the adapter compares it, an id unchanged; both can be used wherever a channel can."""
    place = Destination(surface=Surface.TEAMS, channel=channel)
    file = read(tmp_path, cards=text, rung=text, alerts=f"'{text}'")

    assert (place,) == file.policy.routes[0].cards
    assert (place,) == file.policy.routes[0].ladder[0].cards
    assert (place,) == file.policy.alerts
    assert channel == (channel if channel.startswith("19:") else named(channel))


@pytest.mark.parametrize(
    "text",
    [
        "teams:",
        "teams: ",
        "teams:#finance",
        "teams:a:1x",
        f"teams:{ID};messageid=1",
        "teams:19%3A0a1b%40thread.tacv2",
        "teams:19:0a1b@unq.gbl.spaces",
        "teams:19:@thread.v2",
        "teams:https://teams.microsoft.com/l/channel/19",
        f"teams:{'x' * 101}",
        "teams:fin\u202eance",
    ],
)
def test_what_is_no_place_in_teams_is_refused(tmp_path: Path, text: str) -> None:
    """Threads, personal chats, links and names that hide something, each with its line."""
    with pytest.raises(ConfigError, match="teams:19:") as caught:
        read(tmp_path, cards=text)

    assert caught.value.where.endswith("line 3")


def test_people_have_an_account_by_entra_id(tmp_path: Path) -> None:
    """In small letters, as tokens are compared; the tenant is the directory's to find."""
    path = tmp_path / "nod.yaml"
    people = f"people: {{ann: {{teams: {OTHER.upper()}}}, bob: {{slack: U0B, teams: {APP}}}}}\n"
    path.write_text(f"{people}routes:\n- {{name: default, match: {{}}, cards: [teams:x], approvers: [ann]}}\n")
    found = read_policy_file(path).policy.people

    assert {Surface.TEAMS: OTHER} == found["ann"].accounts
    assert {Surface.SLACK: "U0B", Surface.TEAMS: APP} == found["bob"].accounts


@pytest.mark.parametrize(
    ("people", "what"),
    [
        (f"{{ann: {{teams: {APP}}}, amy: {{teams: {APP.upper()}}}}}", "have the same teams"),
        ("{ann: {teams: ann@acme.example}}", "people.ann.teams"),
        ("{ann: {teams: 29:1abc}}", "people.ann.teams"),
    ],
)
def test_a_wrong_entra_id_is_refused(tmp_path: Path, people: str, what: str) -> None:
    """A person has one id, and neither a name nor a bot's id is one."""
    path = tmp_path / "nod.yaml"
    path.write_text(
        f"people: {people}\nroutes:\n- {{name: default, match: {{}}, cards: [teams:x], approvers: []}}\n"
    )
    with pytest.raises(ConfigError, match=what) as caught:
        read_policy_file(path)

    assert caught.value.where.endswith("line 1")
