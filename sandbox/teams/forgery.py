"""Every way to forge an activity that a bot must refuse, as requests to send."""

from collections.abc import Callable, Mapping
from typing import Any

import jwt

from sandbox.teams.keys import Key
from sandbox.teams.people import OTHER_TENANT
from sandbox.teams.tokens import LIFE, SKEW, Entra, Minter, signed

Activity = dict[str, Any]

#: A host that no allow-list has.
ELSEWHERE = "https://attacker.example/teams/"


class Forger:
    """Makes false tokens for true activities, and true tokens for false ones."""

    def __init__(self, *, minter: Minter, entra: Entra, stranger: Key, unendorsed: Key) -> None:
        """`stranger` is published nowhere; `unendorsed` is published, but not for Teams."""
        self._minter = minter
        self._entra = entra
        self._stranger = stranger
        self._unendorsed = unendorsed

    def forge(self, kind: str, activity: Mapping[str, Any]) -> tuple[Activity, dict[str, str]]:
        """The activity and the Authorization header of one forgery. Raises KeyError for an unknown kind."""
        return FORGERIES[kind](self, dict(activity))

    def claims(self, activity: Activity, **changed: Any) -> dict[str, Any]:
        """True claims for this activity, with some changed; None takes one out."""
        claims = {**self._minter.claims(str(activity["serviceUrl"])), **changed}
        return {name: value for name, value in claims.items() if value is not None}

    def signed(
        self, activity: Activity, *, key: Key | None = None, kid: str | None = None, **changed: Any
    ) -> dict[str, str]:
        """A header with a token by the true key, or by another one."""
        return bearer(signed(self.claims(activity, **changed), key or self._minter.ring.signing, kid=kid))

    def unsigned(self, activity: Activity) -> dict[str, str]:
        """`alg: none`, with the true key's id."""
        kid = self._minter.ring.signing.kid
        return bearer(jwt.encode(self.claims(activity), "", algorithm="none", headers={"kid": kid}))

    def symmetric(self, activity: Activity) -> dict[str, str]:
        """HS256 with the public key as the secret; made by hand, because PyJWT refuses to."""
        key = self._minter.ring.signing
        algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
        parts = jwt.encode(self.claims(activity), "x" * 32, algorithm="HS256", headers={"kid": key.kid}).split(
            "."
        )
        signature = algorithm.sign(f"{parts[0]}.{parts[1]}".encode(), key.public_pem())
        return bearer(f"{parts[0]}.{parts[1]}.{jwt.utils.base64url_encode(signature).decode()}")

    def own(self, activity: Activity) -> dict[str, str]:
        """The bot's own outbound token, sent back to it."""
        return bearer(self._entra.outbound(serviceurl=activity["serviceUrl"]))

    def emulator(self, activity: Activity) -> dict[str, str]:
        """What the Emulator would send: signed by the right key, issued by Entra, for the app itself."""
        issuer = f"https://sts.windows.net/{self._minter.bot.tenant}/"
        return self.signed(activity, iss=issuer, appid=self._minter.bot.app_id, ver="1.0")

    @property
    def stranger(self) -> Key:
        """A key that is published nowhere."""
        return self._stranger

    @property
    def unendorsed(self) -> Key:
        """A key that is published without the endorsement for Teams."""
        return self._unendorsed

    @property
    def now(self) -> int:
        """Unix seconds."""
        return int(self._minter.wall())

    @property
    def true_kid(self) -> str:
        """The id of the key that signs now."""
        return self._minter.ring.signing.kid


def bearer(token: str) -> dict[str, str]:
    """An Authorization header."""
    return {"Authorization": f"Bearer {token}"}


def _tampered(headers: dict[str, str]) -> dict[str, str]:
    """The same token, one character of its signature changed."""
    head, _, signature = headers["Authorization"].rpartition(".")
    return {"Authorization": f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"}


def _from_tenant(activity: Activity, tenant: str) -> Activity:
    conversation = {**activity["conversation"], "tenantId": tenant}
    return {
        **activity,
        "conversation": conversation,
        "channelData": {**activity["channelData"], "tenant": {"id": tenant}},
    }


def _elsewhere(activity: Activity) -> Activity:
    return {**activity, "serviceUrl": ELSEWHERE}


def _without(activity: Activity, name: str) -> Activity:
    return {key: value for key, value in activity.items() if key != name}


Forgery = Callable[[Forger, Activity], tuple[Activity, dict[str, str]]]

FORGERIES: Mapping[str, Forgery] = {
    "no token": lambda f, a: (a, {}),
    "empty token": lambda f, a: (a, {"Authorization": "Bearer"}),
    "another scheme": lambda f, a: (a, {"Authorization": "Basic bm9kOm5vZA=="}),
    "garbage": lambda f, a: (a, bearer("not.a.token")),
    "alg none": lambda f, a: (a, f.unsigned(a)),
    "HS256 with the public key": lambda f, a: (a, f.symmetric(a)),
    "tampered signature": lambda f, a: (a, _tampered(f.signed(a))),
    "wrong key under a known id": lambda f, a: (a, f.signed(a, key=f.stranger, kid=f.true_kid)),
    "unknown key id": lambda f, a: (a, f.signed(a, key=f.stranger)),
    "not endorsed": lambda f, a: (a, f.signed(a, key=f.unendorsed)),
    "own outbound token": lambda f, a: (a, f.own(a)),
    "emulator": lambda f, a: (a, f.emulator(a)),
    "other issuer": lambda f, a: (a, f.signed(a, iss="https://api.botframework.us")),
    "no issuer": lambda f, a: (a, f.signed(a, iss=None)),
    "other audience": lambda f, a: (a, f.signed(a, aud="99999999-0000-0000-0000-000000000000")),
    "no audience": lambda f, a: (a, f.signed(a, aud=None)),
    "expired": lambda f, a: (a, f.signed(a, nbf=f.now - 2 * LIFE, exp=f.now - SKEW - 5)),
    "no expiry": lambda f, a: (a, f.signed(a, exp=None)),
    "not yet valid": lambda f, a: (a, f.signed(a, nbf=f.now + SKEW + 60)),
    "other serviceurl claim": lambda f, a: (a, f.signed(a, serviceurl=ELSEWHERE)),
    "no serviceurl claim": lambda f, a: (a, f.signed(a, serviceurl=None)),
    "other serviceUrl in the body": lambda f, a: (_elsewhere(a), f.signed(a)),
    "serviceUrl elsewhere in both": lambda f, a: (_elsewhere(a), f.signed(_elsewhere(a))),
    "no serviceUrl": lambda f, a: (_without(a, "serviceUrl"), f.signed(a)),
    "foreign tenant": lambda f, a: (_from_tenant(a, OTHER_TENANT), f.signed(a)),
    "other channel": lambda f, a: ({**a, "channelId": "emulator"}, f.signed(a)),
    "other recipient": lambda f, a: ({**a, "recipient": {"id": "28:somebody-else"}}, f.signed(a)),
}
