"""Entra groups: who is in one now, by Microsoft Graph with the bot's own credentials.

`GET /groups/{id}/transitiveMembers` (learn.microsoft.com/graph/api/group-list-transitivemembers; permission
GroupMember.Read.All and User.Read.All), the token by client credentials
(learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow). A refusal is told by its
number, which the token endpoint lists under `error_codes`
(learn.microsoft.com/entra/identity-platform/reference-error-codes).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from adapters.chat.words import CHATS
from adapters.clock import seconds_since_boot
from adapters.clouds import PUBLIC
from adapters.http import Answer, exchange, open_client
from bot.errors import Forbidden, Gone, Unavailable
from bot.policy import Person
from bot.ports import GroupRef

_MEANINGS: Mapping[int, str] = {
    7000215: "MicrosoftAppPassword is not the value of a client secret. Copy the secret's value, not its id",
    7000222: "the client secret in MicrosoftAppPassword has expired. Create a new secret and set its value",
    700016: "the tenant has no app with the id in MicrosoftAppId. Copy both ids from one app registration",
    90002: "there is no tenant with the id in MicrosoftAppTenantId. Copy the Directory (tenant) ID",
    900023: "MicrosoftAppTenantId is not a tenant id. Copy the Directory (tenant) ID",
    7000112: "the app in MicrosoftAppId is disabled in the tenant. Enable it",
    7000229: "the app in MicrosoftAppId has no service principal in the tenant. Register the app there",
}
OTHER = "Copy MicrosoftAppId, MicrosoftAppPassword and MicrosoftAppTenantId from the bot's app registration"


def refusal_of(status: int, said: object) -> str:
    """A refusal of the token endpoint in words for the operator; `said` is the answer's JSON."""
    codes = said.get("error_codes") if isinstance(said, dict) else None
    numbers = [code for code in codes if type(code) is int] if isinstance(codes, list) else []
    known = next((code for code in numbers if code in _MEANINGS), None)
    if known is not None:
        return f"Entra refuses the bot (AADSTS{known}): {_MEANINGS[known]}"
    first = f"AADSTS{numbers[0]}" if numbers and 0 <= numbers[0] < 10**9 else f"HTTP {status}"
    return f"Entra refuses the bot ({first}). {OTHER}"


KIND = "entra-group"
#: Seconds for the whole of one group, pages and token included.
LIMIT = 15.0
#: Pages of one group; with 999 to a page, more people than any list of approvers has.
MOST_PAGES = 20
#: Bytes of one answer.
LARGEST_ANSWER = 5_000_000
#: What operators call the two other sides.
GRAPH, LOGIN = "Microsoft Graph", "Microsoft's login"
#: A token is renewed this many seconds before it ends.
EARLY = 60.0

_FIELDS = "id,displayName,mail,userPrincipalName,userType,accountEnabled"


class Graph:
    """Keeps the members of groups of the kind `entra-group`; see `adapters.directory_cache.GroupKeeper`."""

    def __init__(
        self,
        *,
        client: httpx.AsyncClient,
        app_id: str,
        password: str,
        tenant: str,
        graph_url: str,
        login_url: str,
        seconds: Callable[[], float],
    ) -> None:
        """The opener of `client` closes it; addresses are without a slash at the end."""
        self._client, self._app_id, self._password = client, app_id, password
        self._tenant, self._graph_url, self._login_url = tenant, graph_url, login_url
        self._seconds = seconds
        self._token: tuple[str, float] | None = None

    async def members(self, group: GroupRef) -> tuple[Person, ...]:
        """Everybody in a group and in the groups within it, whose account is enabled.

        They have no account of a chat: they are known by e-mail. Guests are from outside, everywhere. Raises
        Unavailable, Gone or Forbidden: then nobody is.
        """
        if group.kind != KIND:
            raise Gone(f"{group} is not an Entra group")
        try:
            async with asyncio.timeout(LIMIT):
                return await self._members(group)
        except TimeoutError as error:
            raise Unavailable(f"{GRAPH} took longer than {LIMIT:g} s") from error

    async def _members(self, group: GroupRef) -> tuple[Person, ...]:
        url: str | None = (
            f"{self._graph_url}/groups/{quote(group.id, safe='')}/transitiveMembers?$select={_FIELDS}&$top=999"
        )
        found: dict[str, Person] = {}
        for _ in range(MOST_PAGES):
            page = await self._page(url)
            for item in page["value"]:
                person = _person(item)
                if person is not None:
                    found.setdefault(person.handle, person)
            url = page.get("@odata.nextLink")
            if url is None:
                return tuple(found.values())
            if not isinstance(url, str) or _origin(url) != _origin(self._graph_url):
                raise Forbidden("Microsoft Graph's next page is on another host")
        raise Forbidden(f"{group} has more than {MOST_PAGES} pages of members")

    async def _page(self, url: str | None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {await self._bearer()}", "Accept": "application/json"}
        answer = await exchange(
            self._client, "GET", str(url), who=GRAPH, headers=headers, limit=LIMIT, largest=LARGEST_ANSWER
        )
        if answer.status == 401:
            self._token = None  # it was revoked: the next question asks for a new one
            raise Unavailable("Microsoft Graph no longer accepts the token")
        body = _body(answer, GRAPH)
        if not isinstance(body.get("value"), list):
            raise Unavailable("Microsoft Graph's answer has no list of members")
        return body

    async def _bearer(self) -> str:
        now = self._seconds()
        if self._token is not None and now < self._token[1]:
            return self._token[0]
        form = {
            "grant_type": "client_credentials",
            "client_id": self._app_id,
            "client_secret": self._password,
            "scope": f"{_origin(self._graph_url)}/.default",
        }
        url = f"{self._login_url}/{quote(self._tenant, safe='')}/oauth2/v2.0/token"
        answer = await exchange(self._client, "POST", url, who=LOGIN, form=form, limit=LIMIT)
        if answer.status in (400, 401):
            raise Forbidden(refusal_of(answer.status, answer.json()))
        body = _body(answer, LOGIN)
        token, lasts = body.get("access_token"), body.get("expires_in")
        if not isinstance(token, str) or not token or isinstance(lasts, bool) or not isinstance(lasts, int):
            raise Unavailable("Microsoft's login sent an answer without a token")
        self._token = (token, now + max(0.0, lasts - EARLY))
        return token


@asynccontextmanager
async def open_graph(
    *,
    app_id: str,
    password: str,
    tenant: str,
    graph_url: str = PUBLIC.graph_url,
    login_url: str = PUBLIC.login_url,
    seconds: Callable[[], float] = seconds_since_boot,
) -> AsyncIterator[Graph]:
    """Graph for as long as the block runs; nothing is asked before the first group is."""
    timeout = httpx.Timeout(10.0, connect=5.0)
    async with open_client(timeout=timeout) as client:
        yield Graph(
            client=client,
            app_id=app_id,
            password=password,
            tenant=tenant,
            graph_url=graph_url.rstrip("/"),
            login_url=login_url.rstrip("/"),
            seconds=seconds,
        )


def _body(answer: Answer, who: str) -> dict[str, Any]:
    """The object in an answer. Never names what the answer says: it may repeat our credentials."""
    if answer.status == 404:
        raise Gone(f"{who} has no such group")
    if answer.status == 429 or answer.status >= 500:
        raise Unavailable(f"{who} answered {answer.status}")
    if answer.status != 200:
        raise Forbidden(f"{who} answered {answer.status}")
    body = answer.json()
    if body is None:
        raise Unavailable(f"{who}'s answer is not JSON")
    if not isinstance(body, dict):
        raise Unavailable(f"{who}'s answer is not a JSON object")
    return body


def _person(item: object) -> Person | None:
    """A member as a person; None for groups, devices, disabled accounts, and accounts without an address.

    An account of which Graph does not say that it is enabled (a missing permission) is not.
    """
    if not isinstance(item, dict) or item.get("@odata.type") != "#microsoft.graph.user":
        return None
    identity, principal = item.get("id"), item.get("userPrincipalName")
    email = item.get("mail") or principal
    if item.get("accountEnabled") is not True or not isinstance(identity, str) or not isinstance(email, str):
        return None
    guest = item.get("userType") != "Member" or "#EXT#" in str(principal).upper()
    name = item.get("displayName")
    return Person(
        handle=f"entra:{identity}",
        name=name if isinstance(name, str) and name else email,
        email=email,
        outside=frozenset(CHATS) if guest else frozenset(),
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
