"""Entra groups over real HTTP: who is in one, page by page, and nobody when anything is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.graph import Graph, open_graph
from bot.errors import Forbidden, Gone, NodError, Unavailable
from bot.ports import GroupRef
from bot.surface import Surface
from sandbox.serve import serve

BOARD = GroupRef(kind="entra-group", id="6e0c9d0a-0f6f-4c0e-9a51-2f7a0b1c2d3e")
PASSWORD = "hunter2hunter2"


def user(name: str, **more: Any) -> dict[str, Any]:
    usual = {
        "@odata.type": "#microsoft.graph.user",
        "id": f"id-{name}",
        "displayName": name.title(),
        "mail": f"{name}@acme.example",
        "userPrincipalName": f"{name}@acme.onmicrosoft.example",
        "userType": "Member",
        "accountEnabled": True,
    }
    return usual | more


class FakeGraph:
    """Login and groups of one tenant; `answers` are given instead, one each."""

    def __init__(self) -> None:
        self.people: list[dict[str, Any]] = []
        self.page_size = 2
        self.lasts: Any = 3600
        self.answers: list[Response] = []
        self.login_answers: list[Response] = []
        self.next_link: str | None = None
        self.forms: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.asked = 0

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/login/{tenant}/oauth2/v2.0/token", self.login, methods=["POST"]),
                Route("/v1.0/groups/{id}/transitiveMembers", self.listed),
            ]
        )

    async def login(self, request: Request) -> Response:
        if self.login_answers:
            return self.login_answers.pop(0)
        self.forms.append(dict(parse_qsl((await request.body()).decode())) | request.path_params)
        self.tokens.append(f"token-{len(self.forms)}")
        return JSONResponse({"access_token": self.tokens[-1], "expires_in": self.lasts, "token_type": "Bearer"})

    async def listed(self, request: Request) -> Response:
        self.asked += 1
        if self.answers:
            return self.answers.pop(0)
        if request.headers["authorization"] != f"Bearer {self.tokens[-1]}":
            return JSONResponse({}, 401)
        if request.path_params["id"] != BOARD.id:
            return JSONResponse({}, 404)
        start = int(request.query_params.get("$skiptoken", 0))
        end = start + self.page_size
        page: dict[str, Any] = {"value": self.people[start:end]}
        if end < len(self.people):
            page["@odata.nextLink"] = self.next_link or str(
                request.url.include_query_params(**{"$skiptoken": end})
            )
        return JSONResponse(page)


@pytest.fixture
def fake() -> FakeGraph:
    return FakeGraph()


@pytest.fixture
def clock() -> list[float]:
    """Seconds, in the test's hands."""
    return [1_000.0]


@pytest.fixture
async def graph(fake: FakeGraph, clock: list[float]) -> AsyncIterator[Graph]:
    async with (
        serve(fake.app(), port=0) as url,
        open_graph(
            app_id="app",
            password=PASSWORD,
            tenant="acme",
            graph_url=f"{url}/v1.0/",
            login_url=f"{url}/login",
            seconds=lambda: clock[0],
        ) as opened,
    ):
        yield opened


async def test_members_are_read_page_by_page(fake: FakeGraph, graph: Graph) -> None:
    """With the bot's own credentials, each person once, known by e-mail address."""
    fake.people = [user("ann"), user("bob"), user("cat", mail=None), user("ann"), user("dan")]

    people = await graph.members(BOARD)

    assert ["ann@acme.example", "bob@acme.example", "cat@acme.onmicrosoft.example", "dan@acme.example"] == [
        one.email for one in people
    ]
    assert [{}] * 4 == [one.accounts for one in people]
    form = fake.forms[0]
    assert ("client_credentials", "app", PASSWORD, "acme") == (
        form["grant_type"],
        form["client_id"],
        form["client_secret"],
        form["tenant"],
    )
    assert form["scope"].endswith("/.default")


@pytest.mark.parametrize(
    ("who", "found"),
    [
        (user("ann"), [False]),
        (user("gus", userType="Guest"), [True]),
        (user("gus", userPrincipalName="gus_x#EXT#@acme.onmicrosoft.example"), [True]),
        (user("gus", userPrincipalName="gus_x#ext#@acme.onmicrosoft.example"), [True]),
        (user("gus", userType=None), [True]),
        (user("off", accountEnabled=False), []),
        (user("off", accountEnabled=None), []),
        ({"@odata.type": "#microsoft.graph.user", "id": "x", "mail": "x@acme.example"}, []),
        (user("group", **{"@odata.type": "#microsoft.graph.group"}), []),
        (user("nobody", mail=None, userPrincipalName=None), []),
        (user("odd", id=7), []),
        ("rubbish", []),
    ],
)
async def test_who_counts_and_who_is_from_outside(
    fake: FakeGraph, graph: Graph, who: Any, found: list[bool]
) -> None:
    """Guests are from outside; the disabled, and what is no person, are nobody; so is what is not told."""
    fake.people = [who]

    people = await graph.members(BOARD)

    assert found == [Surface.SLACK in one.outside for one in people]


async def test_a_token_is_kept_until_shortly_before_its_end(
    fake: FakeGraph, graph: Graph, clock: list[float]
) -> None:
    """And renewed then."""
    for seconds in (0.0, 3_500.0, 100.0):
        clock[0] += seconds
        await graph.members(BOARD)

    assert 2 == len(fake.tokens)


async def test_a_revoked_token_is_replaced(fake: FakeGraph, graph: Graph) -> None:
    """The question that met it fails; the next one has a new token."""
    await graph.members(BOARD)
    fake.answers = [JSONResponse({}, 401)]

    with pytest.raises(Unavailable):
        await graph.members(BOARD)
    await graph.members(BOARD)

    assert 2 == len(fake.tokens)


ANSWERS: list[tuple[Response, type[NodError]]] = [
    (JSONResponse({"error": PASSWORD}, 403), Forbidden),
    (JSONResponse({}, 400), Forbidden),
    (JSONResponse({}, 404), Gone),
    (JSONResponse({}, 429), Unavailable),
    (JSONResponse({}, 503), Unavailable),
    (Response(status_code=302, headers={"Location": "http://127.0.0.1:1/"}), Forbidden),
    (Response("<html>"), Unavailable),
    (Response("[" * 100_000), Unavailable),
    (JSONResponse([]), Unavailable),
    (JSONResponse({"value": {}}), Unavailable),
    (Response("x" * 5_000_001), Unavailable),
]


@pytest.mark.parametrize(("answer", "error"), ANSWERS)
async def test_any_other_answer_means_nobody(
    fake: FakeGraph, graph: Graph, answer: Response, error: type[NodError]
) -> None:
    """Never a part of a group, and never a word of what the answer said."""
    fake.answers = [answer]

    with pytest.raises(error) as caught:
        await graph.members(BOARD)

    assert isinstance(caught.value, error)
    assert PASSWORD not in str(caught.value)


LOGINS: list[tuple[Response, type[NodError]]] = [
    (JSONResponse({"error_description": PASSWORD}, 401), Forbidden),
    (JSONResponse({"error": "unauthorized_client"}, 400), Forbidden),
    (JSONResponse({}, 500), Unavailable),
    (JSONResponse({"expires_in": 3600}), Unavailable),
    (JSONResponse({"access_token": "t"}), Unavailable),
    (JSONResponse({"access_token": "t", "expires_in": "soon"}), Unavailable),
]


@pytest.mark.parametrize(("answer", "error"), LOGINS)
async def test_without_a_token_nothing_is_asked(
    fake: FakeGraph, graph: Graph, answer: Response, error: type[NodError]
) -> None:
    """The error names the settings, and not what they are."""
    fake.login_answers = [answer]

    with pytest.raises(error) as caught:
        await graph.members(BOARD)

    assert 0 == fake.asked
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("link", ["https://evil.example/v1.0/x", "http://127.0.0.1:1/v1.0/x", "//evil", "x"])
async def test_the_token_goes_to_no_other_host(fake: FakeGraph, graph: Graph, link: str) -> None:
    """A next page elsewhere is not fetched, and half a group is no group."""
    fake.people, fake.next_link = [user(name) for name in ("ann", "bob", "cat")], link

    with pytest.raises(Forbidden, match="another host"):
        await graph.members(BOARD)


async def test_pages_that_never_end_are_no_group(fake: FakeGraph, graph: Graph) -> None:
    """Nor does the bot read them forever."""
    fake.people, fake.page_size = [user(f"u{number}") for number in range(50)], 1

    with pytest.raises(Forbidden, match="pages"):
        await graph.members(BOARD)


async def test_other_groups_are_not_entras(graph: Graph) -> None:
    """Asked for by mistake, they are not there."""
    with pytest.raises(Gone):
        await graph.members(GroupRef(kind="slack-usergroup", id="S0A"))


async def test_nobody_there_is_unavailable() -> None:
    """A refused connection is trouble that may pass."""
    nowhere = "http://127.0.0.1:1"
    async with open_graph(app_id="a", password="p", tenant="t", graph_url=nowhere, login_url=nowhere) as graph:
        with pytest.raises(Unavailable):
            await graph.members(BOARD)
