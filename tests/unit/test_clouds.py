"""Microsoft's clouds: one setting names the login, Graph, the keys, the issuer, the scope and Teams' hosts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.clouds import CLOUDS
from adapters.settings import Environment, TeamsSettings, read_environment, read_policy_file, read_teams
from adapters.teams.authentication import TokenCheck
from adapters.teams.keys import Key
from adapters.teams.payloads import Untrusted
from bot.errors import ConfigError

APP, TENANT = "6e0c9d0a-0f6f-4c0e-9a51-2f7a0b1c2d3e", "8f0a5c62-1f0e-4b5b-9d7e-2b6f3a1c9d10"
LOGIN_US = "login.microsoftonline.us"
POLICY = """
people: {ann: {email: ann@acme.example}}
routes: [{name: default, match: {}, cards: ['teams:finance'], approvers: [ann]}]
"""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for field in Environment.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    for name, value in {
        "AIP_API_URL": "http://localhost:8000", "AIP_API_KEY": "k", "MicrosoftAppId": APP,
        "MicrosoftAppPassword": "p", "MicrosoftAppTenantId": TENANT,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return monkeypatch


def teams(folder: Path) -> TeamsSettings:
    path = folder / "nod.yaml"
    path.write_text(POLICY)
    found = read_teams(read_environment(), read_policy_file(path))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("cloud", "login", "issuer", "hosts"),
    [
        ("Public", "login.microsoftonline.com", "https://api.botframework.com", ("smba.trafficmanager.net",)),
        ("GCCHigh", LOGIN_US, "https://api.botframework.us", ("smba.infra.gov.teams.microsoft.us",)),
        ("DoD", LOGIN_US, "https://api.botframework.us", ("smba.infra.dod.teams.microsoft.us",)),
    ],
)
def test_one_setting_names_a_cloud(
    surroundings: pytest.MonkeyPatch,
    tmp_path: Path,
    cloud: str,
    login: str,
    issuer: str,
    hosts: tuple[str, ...],
) -> None:
    """Login, issuer, scope and hosts go together: a token of one cloud is nothing in another."""
    surroundings.setenv("NOD_MICROSOFT_CLOUD", cloud)
    found = teams(tmp_path).cloud

    assert f"https://{login}/{{tenant}}/oauth2/v2.0/token" == found.token_url
    assert (issuer, f"{issuer}/.default", hosts) == (found.issuer, found.scope, found.service_hosts)


def test_china_needs_the_hosts_that_teams_names_there(surroundings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Microsoft documents none, and a host that is guessed would be sent the bot's token."""
    surroundings.setenv("NOD_MICROSOFT_CLOUD", "China")
    with pytest.raises(ConfigError, match="NOD_TEAMS_SERVICE_HOSTS is not set"):
        teams(tmp_path)

    surroundings.setenv("NOD_TEAMS_SERVICE_HOSTS", "teams.acme.example")
    found = teams(tmp_path).cloud
    assert ("https://api.botframework.azure.cn", ("teams.acme.example",)) == (found.issuer, found.service_hosts)


def test_what_is_set_counts_before_the_cloud(surroundings: pytest.MonkeyPatch) -> None:
    """A single address may be another one; the rest stays the cloud's."""
    surroundings.setenv("NOD_MICROSOFT_CLOUD", "DoD")
    surroundings.setenv("NOD_GRAPH_URL", "https://graph.acme.example/v1.0")
    cloud = read_environment().cloud

    assert "https://graph.acme.example/v1.0" == cloud.graph_url
    assert CLOUDS["DoD"].login_url == cloud.login_url


def test_the_defaults_are_the_public_clouds(surroundings: pytest.MonkeyPatch) -> None:
    """The defaults in the table of variables are those in force when nothing is set."""
    environment = read_environment()

    assert CLOUDS["Public"] == environment.cloud
    shown = (environment.login_url, environment.graph_url, environment.teams_openid_url)
    assert shown == (environment.cloud.login_url, environment.cloud.graph_url, environment.cloud.openid_url)
    assert (environment.teams_service_hosts,) == environment.cloud.service_hosts


def test_an_unknown_cloud_is_refused(surroundings: pytest.MonkeyPatch) -> None:
    surroundings.setenv("NOD_MICROSOFT_CLOUD", "Narnia")
    with pytest.raises(ConfigError, match="NOD_MICROSOFT_CLOUD") as caught:
        read_environment()
    assert "GCCHigh" in caught.value.fix


@pytest.mark.parametrize("ours", CLOUDS)
@pytest.mark.parametrize("theirs", CLOUDS)
async def test_a_token_of_another_cloud_is_refused(ours: Any, theirs: Any) -> None:
    """Also when the key were known here."""
    private = rsa.generate_private_key(65537, 2048)

    class Ring:
        async def key(self, kid: str) -> Key:
            return Key(public=private.public_key(), endorsements=frozenset({"msteams"}))

    url, now = "https://smba.example/x", int(time.time())
    claims = {"iss": CLOUDS[theirs].issuer, "aud": APP, "exp": now + 60, "serviceurl": url}
    token = jwt.encode(claims, private, algorithm="RS256", headers={"kid": "k"})
    ring: Any = Ring()
    check = TokenCheck(
        app_id=APP, issuer=CLOUDS[ours].issuer, keys=ring, hosts=("smba.example",), tenants=frozenset({TENANT})
    )
    activity = {
        "channelId": "msteams", "serviceUrl": url, "recipient": {"id": f"28:{APP}"},
        "conversation": {"tenantId": TENANT}, "channelData": {"tenant": {"id": TENANT}},
    }  # fmt: skip
    if CLOUDS[ours].issuer == CLOUDS[theirs].issuer:
        await check.check(f"Bearer {token}", activity)
    else:
        with pytest.raises(Untrusted, match="the token is refused"):
            await check.check(f"Bearer {token}", activity)
