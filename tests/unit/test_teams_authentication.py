"""A token is Teams' own and speaks for this activity, or it is refused before a key is looked for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from adapters.teams.authentication import LONGEST_TOKEN, OpenDoor, TokenCheck, check_place
from adapters.teams.keys import Key
from adapters.teams.payloads import Untrusted

HOSTS, TENANTS = ("smba.example",), frozenset({"tenant-1", "tenant-2"})
ACTIVITY: dict[str, Any] = {
    "channelId": "msteams",
    "serviceUrl": "https://smba.example/emea/",
    "conversation": {"tenantId": "Tenant-1"},
    "channelData": {"tenant": {"id": "tenant-1"}},
    "recipient": {"id": "28:APP"},
}
CLAIMS = {"iss": "issuer", "aud": "app", "serviceurl": "https://smba.example/emea"}


@cache
def private_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Keys:
    """One key, and the ids that were asked for."""

    endorsements: frozenset[str] = frozenset({"msteams", "webchat"})
    asked: list[str] = field(default_factory=list)

    async def key(self, kid: str) -> Key | None:
        self.asked.append(kid)
        return Key(public=private_key().public_key(), endorsements=self.endorsements) if kid == "k" else None


def token(*, kid: str = "k", ends: float = 60, more: str = "", **claims: Any) -> str:
    given = {"exp": int(time.time()) + ends, **CLAIMS, **claims}
    return jwt.encode(
        {name: value for name, value in given.items() if value is not None},
        private_key(),
        algorithm="RS256",
        headers={"kid": kid, "more": more},
    )


async def answer(authorization: str | None, activity: dict[str, Any] = ACTIVITY, **more: Any) -> int:
    """The status that it is refused with; 200 if it is not."""
    keys = more.pop("keys", Keys())
    given = {"app_id": "app", "issuer": "issuer", "hosts": HOSTS, "tenants": TENANTS} | more
    try:
        await TokenCheck(keys=keys, **given).check(authorization, activity)
    except Untrusted as untrusted:
        return untrusted.status
    return 200


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", " Bearer  {} "])
async def test_teams_own_token_passes(form: str) -> None:
    """Whatever the case of the scheme and the spaces around it; clocks may differ by five minutes."""
    assert 200 == await answer(form.format(token()))
    assert 200 == await answer(form.format(token(ends=-290)))
    assert 401 == await answer(form.format(token(ends=-310)))


@pytest.mark.parametrize(
    "kind", ["none", "empty", "no scheme", "Basic", "no token", "endless", "not ASCII", "no jwt"]
)
async def test_what_is_no_bearer_token_asks_for_no_key(kind: str) -> None:
    """401, at no cost."""
    good, keys = token(), Keys()
    given = {
        "none": None, "empty": "", "no scheme": good, "Basic": f"Basic {good}", "no token": "Bearer ",
        "endless": f"Bearer {good}{'x' * LONGEST_TOKEN}", "not ASCII": f"Bearer {good}é",
        "no jwt": "Bearer x.y",
    }  # fmt: skip
    assert 401 == await answer(given[kind], keys=keys)
    assert [] == keys.asked


async def test_a_token_may_be_as_long_as_the_bound() -> None:
    """And one sign longer it is not read."""
    room = (LONGEST_TOKEN - len(token())) * 3 // 4
    made = {
        len(one): one
        for n in range(4)
        for size in range(12)
        if (one := token(pad="x" * (room - size), more="x" * n))
    }
    assert 200 == await answer(f"Bearer {made[LONGEST_TOKEN]}")
    assert 401 == await answer(f"Bearer {made[LONGEST_TOKEN + 1]}")


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
async def test_another_algorithm_asks_for_no_key(algorithm: str) -> None:
    """There is one, and no way around it."""
    secret, keys = ("s" * 32 if algorithm == "HS256" else None), Keys()
    made = jwt.encode({"exp": time.time() + 60, **CLAIMS}, secret, algorithm=algorithm, headers={"kid": "k"})
    assert 401 == await answer(f"Bearer {made}", keys=keys)
    assert [] == keys.asked


async def test_no_key_is_asked_for_without_its_name_or_without_an_app() -> None:
    """A token of nobody, or for nobody."""
    keys = Keys()
    nameless = jwt.encode({"exp": time.time() + 60, **CLAIMS}, private_key(), algorithm="RS256")
    assert 401 == await answer(f"Bearer {nameless}", keys=keys)
    assert 401 == await answer(f"Bearer {token(aud='')}", app_id="", keys=keys)
    assert [] == keys.asked
    assert 401 == await answer(f"Bearer {token(kid='other')}", keys=keys)
    assert ["other"] == keys.asked


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"iss": "https://sts.example/emulator"}, 401),
        ({"iss": None}, 401),
        ({"aud": "another app"}, 401),
        ({"aud": ["app", "another app"]}, 401),
        ({"aud": None}, 401),
        ({"exp": None}, 401),
        ({"nbf": 4_000_000_000}, 401),
        ({"serviceurl": None}, 403),
        ({"serviceurl": 7}, 403),
        ({"serviceurl": "https://smba.example/amer"}, 403),
        ({"serviceurl": "https://smba.example/emea/"}, 200),
    ],
    ids=str,
)
async def test_what_a_token_says_must_be_so(claims: dict[str, Any], status: int) -> None:
    """Issuer, app, end and service address."""
    assert status == await answer(f"Bearer {token(**claims)}")


async def test_the_key_must_be_endorsed_for_teams() -> None:
    """A key for another channel signs nothing here."""
    assert 403 == await answer(f"Bearer {token()}", keys=Keys(endorsements=frozenset({"webchat"})))


@pytest.mark.parametrize(
    "changed",
    [
        {"channelId": "webchat"},
        {"channelId": None},
        {"serviceUrl": "https://elsewhere.example/emea"},
        {"serviceUrl": None},
        {"conversation": {"tenantId": "tenant-2"}},
        {"conversation": {"tenantId": "foreign"}, "channelData": {"tenant": {"id": "foreign"}}},
        {"conversation": {}, "channelData": {}},
    ],
    ids=str,
)
async def test_another_place_is_refused_with_and_without_a_token(changed: dict[str, Any]) -> None:
    """Another channel, an address that is not on the list, a foreign tenant, none, or two that differ."""
    activity = ACTIVITY | changed
    assert 403 == await answer(f"Bearer {token()}", activity)
    with pytest.raises(Untrusted) as untrusted:
        await OpenDoor(hosts=HOSTS, tenants=TENANTS).check(None, activity)
    assert 403 == untrusted.value.status


async def test_a_place_of_ours_needs_no_token_at_the_open_door() -> None:
    """Nor one of the two places of a tenant, if the other names it."""
    await OpenDoor(hosts=HOSTS, tenants=TENANTS).check(None, ACTIVITY)
    check_place(ACTIVITY | {"conversation": {}}, hosts=HOSTS, tenants=TENANTS)


async def test_what_was_sent_to_another_bot_is_refused() -> None:
    """Also with a token for this one; letters are compared without regard to case."""
    assert 403 == await answer(f"Bearer {token()}", ACTIVITY | {"recipient": {"id": "28:other"}})
    assert 403 == await answer(f"Bearer {token()}", ACTIVITY | {"recipient": {"id": "29:app"}})
