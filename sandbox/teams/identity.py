"""The HTTP of who is who: OpenID metadata, signing keys and tokens, and the troubles they can have."""

from enum import StrEnum
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox.teams.errors import TokenRefused
from sandbox.teams.keys import KeyRing
from sandbox.teams.tokens import ISSUER, Entra

#: What HUGE answers, in bytes: more than anybody should read of a key document.
HUGE_BYTES = 32 * 1024 * 1024


class Trouble(StrEnum):
    """What an endpoint does in place of answering."""

    NONE = "none"
    HANG = "hang"
    BROKEN = "broken"
    HUGE = "huge"
    GARBAGE = "garbage"


class Identity:
    """The metadata and key documents; `trouble` is for both, and each request is counted."""

    def __init__(self, *, ring: KeyRing) -> None:
        """Publish the keys of a ring, without trouble."""
        self.ring = ring
        self.trouble = Trouble.NONE
        self.metadata_calls = 0
        self.key_calls = 0

    async def metadata(self, request: Request, *, keys_url: str) -> Response:
        """The OpenID document (connector authentication, step 2)."""
        self.metadata_calls += 1
        document = {
            "issuer": ISSUER,
            "authorization_endpoint": "https://invalid.botframework.com",
            "jwks_uri": keys_url,
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        }
        return await troubled(self.trouble, request) or JSONResponse(document)

    async def keys(self, request: Request) -> Response:
        """The key document (step 3)."""
        self.key_calls += 1
        return await troubled(self.trouble, request) or JSONResponse(self.ring.jwks())


async def troubled(trouble: Trouble, request: Request) -> Response | None:
    """The answer of an endpoint in trouble; one that hangs does so until the client goes away."""
    if trouble is Trouble.HANG:
        while (await request.receive())["type"] != "http.disconnect":
            pass
    if trouble in (Trouble.HANG, Trouble.BROKEN):
        return PlainTextResponse("The service is unavailable.", 500)
    if trouble is Trouble.GARBAGE:
        return PlainTextResponse("<html>Sign in to the network</html>", media_type="text/html")
    if trouble is Trouble.HUGE:
        return Response(b" " * HUGE_BYTES + b"{}", media_type="application/json")
    return None


class TokenEndpoint:
    """`/{tenant}/oauth2/v2.0/token`, which can be made to fail."""

    def __init__(self, *, entra: Entra) -> None:
        """Grant what `entra` grants, without trouble."""
        self.entra = entra
        self.trouble = Trouble.NONE

    async def answer(self, request: Request) -> Response:
        """One request for a token, as a form."""
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        if self.trouble is not Trouble.NONE:
            self.entra.calls += 1
            return await troubled(self.trouble, request) or Response(status_code=500)
        try:
            return JSONResponse(self.entra.grant(request.path_params["tenant"], form))
        except TokenRefused as refused:
            return JSONResponse(refused.body, refused.status)
