"""The local Teams' keys and tokens: what it signs verifies, what it forges does not, and its endpoints have
troubles on request."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest

from sandbox.teams.forgery import FORGERIES
from sandbox.teams.identity import HUGE_BYTES, Trouble
from sandbox.teams.people import APPROVALS, OTHER_TENANT
from sandbox.teams.tokens import ISSUER
from tests.contract.sandbox_teams_rig import Rig, open_rig

Json = dict[str, Any]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with open_rig() as opened:
        yield opened


async def published(rig: Rig) -> dict[str, Json]:
    """The keys by id, found as a bot finds them."""
    async with httpx.AsyncClient() as http:
        metadata = (await http.get(rig.teams.openid_url)).json()
        keys = (await http.get(metadata["jwks_uri"])).json()["keys"]
    return {key["kid"]: key for key in keys}


async def accepts(rig: Rig, activity: Json, headers: dict[str, str]) -> bool:
    """Whether a bot that follows the documentation (connector authentication, step 4) takes this request."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    keys = await published(rig)
    try:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(
            token,
            jwt.PyJWK(key),
            algorithms=["RS256"],
            audience=rig.teams.bot.app_id,
            issuer=ISSUER,
            leeway=300,
            options={"require": ["exp", "nbf", "iss", "aud"]},
        )
    except (jwt.InvalidTokenError, KeyError):
        return False
    ours = activity["recipient"]["id"] == rig.teams.bot.id and activity["channelId"] in key["endorsements"]
    home = activity["channelData"]["tenant"]["id"] == rig.teams.bot.tenant
    same = claims.get("serviceurl") == activity.get("serviceUrl") == rig.teams.service_url
    return scheme == "Bearer" and ours and home and same


async def test_what_teams_sends_is_signed_by_a_published_endorsed_key(rig: Rig) -> None:
    """Every activity carries a token that a bot can check by the documentation alone."""
    await rig.teams.events.install(APPROVALS)

    assert 2 == len(rig.bot.came)
    for activity, headers in rig.bot.came:
        assert await accepts(rig, activity, headers)


@pytest.mark.parametrize("kind", FORGERIES)
async def test_no_forgery_is_good_by_the_documentation(rig: Rig, kind: str) -> None:
    """Each forgery arrives at the bot, and breaks at least one rule that it must check."""
    await rig.teams.events.install(APPROVALS)
    true = rig.bot.came[0][0]

    result = await rig.teams.forge(kind, true)

    assert 200 == result.status
    assert not await accepts(rig, *rig.bot.came[-1])


async def test_keys_rotate_with_or_without_the_old_ones(rig: Rig) -> None:
    """After a rotation new activities have a new key id; the old key is gone unless it is kept."""
    old = rig.teams.ring.signing.kid
    kept = rig.teams.ring.rotate(keep=True).kid
    assert {old, kept} <= set(await published(rig))

    new = rig.teams.ring.rotate().kid
    assert {new} == set(await published(rig))
    await rig.teams.events.install(APPROVALS)
    assert new == jwt.get_unverified_header(rig.bot.came[-1][1]["authorization"].split()[1])["kid"]


async def test_the_documents_count_their_readers_and_break_on_request(rig: Rig) -> None:
    """500, a page that is no JSON, 32 MB, or no answer until the reader gives up."""
    identity = rig.teams.identity
    await published(rig)
    assert (1, 1) == (identity.metadata_calls, identity.key_calls)
    async with httpx.AsyncClient(timeout=0.3) as http:
        identity.trouble = Trouble.BROKEN
        assert 500 == (await http.get(rig.teams.openid_url)).status_code
        identity.trouble = Trouble.GARBAGE
        assert "text/html" in (await http.get(rig.teams.openid_url)).headers["content-type"]
        identity.trouble = Trouble.HANG
        with pytest.raises(httpx.ReadTimeout):
            await http.get(rig.teams.openid_url)
        identity.trouble = Trouble.HUGE
        huge = await http.get(rig.teams.openid_url, timeout=10)
        assert HUGE_BYTES < len(huge.content)
        rig.teams.tokens.trouble = Trouble.BROKEN
        assert 500 == (await http.post(rig.teams.token_url)).status_code


async def test_a_token_is_granted_for_the_right_secret_only(rig: Rig) -> None:
    """RFC 6749 §5.1 and §5.2, with Entra's numbers; every request is counted."""
    granted = await rig.token()
    assert 200 == granted.status_code
    assert ("Bearer", 3600) == (granted.json()["token_type"], granted.json()["expires_in"])

    refusals: list[tuple[dict[str, str], int, str, int]] = [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_id": "another"}, 400, "unauthorized_client", 700016),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"scope": "https://graph.microsoft.com/.default"}, 400, "invalid_scope", 70011),
        (
            {"url": rig.teams.token_url.replace(rig.teams.bot.tenant, OTHER_TENANT)},
            400,
            "invalid_request",
            90002,
        ),
    ]
    for changed, status, error, number in refusals:
        refused = await rig.token(**changed)
        body = refused.json()
        assert (status, error, [number]) == (refused.status_code, body["error"], body["error_codes"])
    assert 6 == rig.teams.entra.calls


async def test_the_connector_takes_the_bots_token_and_no_other(rig: Rig) -> None:
    """401 for no token, another scheme, garbage, the Connector's own token, an expired or a foreign one."""
    entra, path = rig.teams.entra, f"{rig.teams.service_url}v3/conversations/{APPROVALS}/members"
    await rig.teams.events.install(APPROVALS)
    inbound = rig.bot.came[0][1]["authorization"]
    wrong = [
        "",
        "Basic bm9kOm5vZA==",
        "Bearer garbage",
        inbound,
        f"Bearer {entra.outbound(exp=int(rig.teams.wall()) - 301)}",
        f"Bearer {entra.outbound(tid=OTHER_TENANT)}",
        f"Bearer {entra.outbound(appid='another')}",
        f"Bearer {entra.outbound(aud='https://graph.microsoft.com')}",
    ]
    async with httpx.AsyncClient() as http:
        good = await http.get(
            path, headers={"Authorization": f"Bearer {(await rig.token()).json()['access_token']}"}
        )
        answers = await asyncio.gather(*(http.get(path, headers={"Authorization": w}) for w in wrong))

    assert 200 == good.status_code
    assert [401] * len(wrong) == [answer.status_code for answer in answers]
    denied = {"message": "Authorization has been denied for this request."}
    assert [denied] * len(wrong) == [answer.json() for answer in answers]
