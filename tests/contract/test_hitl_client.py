"""`HITLClient` against a served platform: the calls of a user's program, over real HTTP."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.platform.hitl import OfClass
from adapters.platform.people import LATE
from bot.approval import Outcome
from bot.errors import ConfigError, Forbidden, Gone, Unavailable
from nod import HITLClient, HITLDecision, HITLHandler, HITLRequest, HITLResponse, SyncHITLClient, ask_people
from sandbox import platform as sandbox
from sandbox.faults import Faults
from sandbox.serve import serve

KEY = "key-hunter2"
DECISION = "/agents/hitl/decision"
#: So many answers, with so many seconds for each and 64 at once, take longer than one call may (15 s).
BURST, SLOW = 64 * 6, 3.0


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A client, the platform that it reaches, and what goes wrong between them."""

    client: HITLClient
    inside: sandbox.Platform
    faults: Faults
    url: str
    pauses: list[float] = field(default_factory=list)

    @property
    def posts(self) -> list[tuple[str, str, str | None, int]]:
        return [(p.request_id, p.decision, p.operator_input, p.status) for p in self.inside.decisions]


@asynccontextmanager
async def opened(quirks: sandbox.Quirks | None = None) -> AsyncIterator[Rig]:
    faults, pauses = Faults(), []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with (
        sandbox.open_platform(api_key=KEY, quirks=quirks) as inside,
        serve(sandbox.platform_app(inside, faults=faults)) as url,
        HITLClient(base_url=url, api_key=KEY, pause=pause) as client,
    ):
        yield Rig(client=client, inside=inside, faults=faults, url=url, pauses=pauses)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with opened() as one:
        yield one


async def test_what_waits_is_listed(rig: Rig) -> None:
    """The requests as Nod reads them, with tool, arguments and times."""
    ids = [rig.inside.ask(tool="pay", arguments={"n": number}) for number in range(2)]

    listed = await rig.client.list_pending()

    assert [(one, "pay", {"n": number}) for number, one in enumerate(ids)] == [
        (request.request_id, request.tool_name, request.arguments) for request in listed
    ]


@pytest.mark.parametrize(
    ("verb", "word"), [("approve", "approved"), ("reject", "rejected"), ("skip", "skipped")]
)
async def test_the_three_answers(rig: Rig, verb: str, word: str) -> None:
    """Each is posted once, by id or by the request, with its note; a second answer finds it resolved."""
    first, second = rig.inside.ask(arguments={}), rig.inside.ask(arguments={})
    answer = getattr(rig.client, verb)

    assert word == (await answer(first, "seen")).value
    (request,) = await rig.client.list_pending()
    assert word == (await answer(request)).value
    assert Outcome.ELSEWHERE is await answer(first)
    assert Outcome.ELSEWHERE is await answer("nobody-knows")

    expected = [(first, word, "seen", 200), (second, word, None, 200)]
    assert [*expected, (first, word, None, 409), ("nobody-knows", word, None, 404)] == rig.posts


@pytest.mark.parametrize(
    ("rule", "pauses", "hits"),
    [
        ({"status": 503, "times": 2}, [1.0, 2.0], 2),
        ({"reset": True, "times": 1}, [1.0], 1),
        ({"status": 429, "headers": {"Retry-After": "4"}, "times": 1}, [4.0], 1),
        ({"status": 200, "body": "<html>", "after": True, "times": 1}, [1.0], 1),
        ({"reset": True, "after": True, "times": 1}, [1.0], 1),
    ],
    ids=["503", "reset", "429", "a page after it was applied", "reset after it was applied"],
)
async def test_trouble_that_passes(rig: Rig, rule: dict[str, Any], pauses: list[float], hits: int) -> None:
    """Tried again after 1 and 2 s with the same word, and an answer that was lost is found in the audit."""
    request_id = rig.inside.ask(arguments={})
    made = rig.faults.add(path=DECISION, **rule)

    assert Outcome.APPROVED is await rig.client.approve(request_id)

    assert (pauses, hits) == (rig.pauses, made.hits)
    assert [(request_id, "approved")] == [(one, word) for one, word, _, status in rig.posts if status == 200]


@pytest.mark.parametrize(
    ("rule", "error", "pauses"),
    [
        ({"status": 500}, Unavailable, [1.0, 2.0]),
        ({"reset": True}, Unavailable, [1.0, 2.0]),
        ({"status": 401}, Forbidden, []),
        ({"status": 422}, Forbidden, []),
        ({"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}}, Forbidden, []),
    ],
)
async def test_trouble_that_stays(
    rig: Rig, rule: dict[str, Any], error: type[Exception], pauses: list[float]
) -> None:
    """Three tries for the network and 5xx, one for any other refusal; then it raises."""
    made = rig.faults.add(path=DECISION, **rule)

    with pytest.raises(error):
        await rig.client.approve(rig.inside.ask(arguments={}))

    assert (pauses, len(pauses) + 1) == (rig.pauses, made.hits)


async def test_a_platform_that_takes_a_second_answer() -> None:
    """Where a late answer gets a 200, the audit shows that another person was first."""
    async with opened(sandbox.Quirks(forgiving=True)) as rig:
        request_id = rig.inside.ask(arguments={})

        assert Outcome.REJECTED is await rig.client.reject(request_id)
        assert Outcome.ELSEWHERE is await rig.client.approve(request_id)


async def test_the_audit_in_pages(rig: Rig) -> None:
    """Filtered, in order and page by page; one record by its id."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    ids = [rig.inside.ask(tool="pay", arguments={"n": number}) for number in range(3)]
    for request_id in ids[:2]:
        await rig.client.approve(request_id, "fine")
    await rig.client.skip(ids[2])

    page = await rig.client.audit(limit=2, sort_order="asc", start_date=before)
    rest = await rig.client.audit(page=2, limit=2, sort_order="asc")
    skipped = await rig.client.audit(decision_type="skipped", agent_id="bare_agent-00000000")

    assert (ids[:2], 3, True, False) == (
        [r.request_id for r in page.records],
        page.total,
        page.has_next,
        page.has_prev,
    )
    assert (ids[2:], False, True) == ([r.request_id for r in rest.records], rest.has_next, rest.has_prev)
    assert [ids[2]] == [record.request_id for record in skipped.records]
    record = await rig.client.audit_record(ids[0])
    assert record == page.records[0]
    assert ("approved", "pay", {"n": 0}, {"operator_input": "fine"}) == (
        record.decision,
        record.tool_name,
        record.arguments,
        record.metadata,
    )
    assert await rig.client.audit_record("nobody-knows") is None


async def test_a_platform_without_an_audit() -> None:
    """It is optional: a list says that there is none, and a record is unknown."""
    async with opened(sandbox.Quirks(audited=False)) as rig:
        with pytest.raises(Gone):
            await rig.client.audit()
        assert await rig.client.audit_record("r1") is None


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 101},
        {"page": 0},
        {"start_date": datetime(2026, 1, 1)},  # noqa: DTZ001 - the mistake is the test
        {"start_date": datetime(2026, 1, 2, tzinfo=UTC), "end_date": datetime(2026, 1, 1, tzinfo=UTC)},
    ],
)
async def test_questions_that_the_audit_would_refuse(rig: Rig, query: dict[str, Any]) -> None:
    """Said at once, in words."""
    with pytest.raises(ValueError, match=r"must be|zone"):
        await rig.client.audit(**query)


@pytest.mark.parametrize("body", ["<html>", "[]", '{"data": [{"request_id": 7}]}', '{"data": [], "data": []}'])
async def test_an_audit_that_cannot_be_read(rig: Rig, body: str) -> None:
    """It says nothing, rather than something wrong."""
    rig.faults.add(path="/agents/hitl/audit*", status=200, body=body)

    with pytest.raises(Unavailable):
        await rig.client.audit()


async def test_address_and_key_of_the_environment(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """AIP_API_URL and AIP_API_KEY are read when nothing is given; without them it says what to set."""
    with pytest.raises(ConfigError, match="AIP_API_URL"):
        await HITLClient().__aenter__()
    monkeypatch.setenv("AIP_API_URL", rig.url)
    with pytest.raises(ConfigError, match="AIP_API_KEY"):
        await HITLClient().__aenter__()
    monkeypatch.setenv("AIP_API_KEY", KEY)
    async with HITLClient() as client:
        assert () == await client.list_pending()
    with pytest.raises(RuntimeError, match="not open"):
        await client.list_pending()


async def test_scripts_need_no_loop(rig: Rig) -> None:
    """The same calls without `await`: of the class by its settings, of a client by that client's."""
    ids = [rig.inside.ask(arguments={}) for _ in range(3)]

    def script() -> list[object]:
        with HITLClient.sync(base_url=rig.url, api_key=KEY) as client:
            said: list[object] = [
                len(client.list_pending()),
                client.approve(ids[0], "ok"),
                client.reject(ids[1]),
            ]
        with HITLClient(base_url=rig.url, api_key=KEY).sync() as client:
            said += [client.skip(ids[2]), client.audit(limit=1).total]
            record = client.audit_record(ids[1])
        return [*said, record and record.decision]

    expected = [3, Outcome.APPROVED, Outcome.REJECTED, Outcome.SKIPPED, 3, "rejected"]
    assert expected == await asyncio.to_thread(script)


def test_a_script_that_forgot_something() -> None:
    """Not open, or inside a loop: said in words that help, and no loop or coroutine is left behind."""
    client = HITLClient.sync(base_url="http://127.0.0.1:1", api_key=KEY)
    with pytest.raises(RuntimeError, match=r"`with HITLClient\.sync\(…\) as client`"):
        client.list_pending()

    async def inside() -> None:
        with pytest.raises(
            RuntimeError, match=r"`async with HITLClient\(…\) as client`, or asyncio\.to_thread"
        ):
            client.__enter__()
        with client_opened as opened, pytest.raises(RuntimeError, match=r"asyncio\.to_thread"):
            opened.approve("r1")

    client_opened = Opened(client)
    asyncio.run(inside())
    gc.collect()  # what was never awaited or closed is a warning, and warnings are errors here
    client.__exit__(None, None, None)


def test_the_face_takes_what_the_client_takes() -> None:
    """Its type has the same names, so that a checker finds a wrong one."""
    client, face = (inspect.signature(one).parameters for one in (HITLClient, OfClass.__call__))

    assert list(client) == [name for name in face if name != "self"]


class Opened:
    """A client that was opened before the loop that is running now."""

    def __init__(self, client: SyncHITLClient) -> None:
        self._client = client
        client.__enter__()

    def __enter__(self) -> SyncHITLClient:
        return self._client

    def __exit__(self, *_: object) -> None:
        """It stays open."""


async def test_a_script_may_open_it_again(rig: Rig) -> None:
    """After the end of the block, as with the client itself."""

    def script() -> list[int]:
        client = HITLClient.sync(base_url=rig.url, api_key=KEY)
        seen = []
        for _ in range(2):
            with client:
                seen.append(len(client.list_pending()))
        return seen

    rig.inside.ask(arguments={})
    assert [1, 1] == await asyncio.to_thread(script)


@pytest.mark.slow
async def test_a_burst_of_answers_loses_none(rig: Rig) -> None:
    """More than the platform can take in the time of one call: each waits for its turn, and none gives up."""
    ids = [rig.inside.ask(arguments={}, timeout_seconds=600) for _ in range(BURST)]
    rig.faults.add(path=DECISION, delay=SLOW)

    said = await asyncio.gather(*(rig.client.approve(one) for one in ids))

    assert {Outcome.APPROVED} == set(said)
    assert (BURST, []) == (len(rig.posts), rig.pauses)


async def test_a_handler_over_the_wire(rig: Rig) -> None:
    """The documented few lines: a callback decides what waits on a platform."""

    def decide(request: HITLRequest) -> HITLResponse:
        word = HITLDecision.APPROVED if request.tool_name == "read" else HITLDecision.REJECTED
        return HITLResponse(decision=word, operator_input="by rule")

    ids = [rig.inside.ask(tool=tool, arguments={}) for tool in ("read", "pay")]
    async with HITLHandler(decide, client=rig.client, auto_approve=False) as handler:
        for request in await rig.client.list_pending():
            handler.handle(request)
        assert await handler.wait_for_pending_decisions(5)

    assert sorted([(ids[0], "approved", "by rule", 200), (ids[1], "rejected", "by rule", 200)]) == sorted(
        rig.posts
    )


@pytest.mark.parametrize("audited", [True, False])
async def test_asking_people_waits_for_their_answer(audited: bool) -> None:
    """It gives back what people answered; where no audit tells what it was, a rejection that opens nothing."""
    async with opened(sandbox.Quirks(audited=audited)) as rig:
        request_id = rig.inside.ask(arguments={})
        (request,) = await rig.client.list_pending()
        looks: list[float] = []

        def pause(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 4:
                asyncio.run_coroutine_threadsafe(answer(), loop).result(5)

        async def answer() -> None:
            await rig.client.approve(request_id, "go on")

        loop = asyncio.get_running_loop()
        rig.faults.add(path="/agents/hitl/pending", status=503, times=3)
        said = await asyncio.to_thread(
            ask_people, request, base_url=rig.url, api_key=KEY, every=0.25, pause=pause
        )

    assert {0.25} == set(looks)
    if audited:
        assert HITLResponse(decision=HITLDecision.APPROVED, operator_input="go on") == said
    else:
        assert HITLDecision.REJECTED is said.decision


@pytest.mark.parametrize("rule", [{"status": 403}, {"status": 503}, {"status": 200, "body": "<html>"}])
async def test_asking_people_without_a_word_of_the_audit(rig: Rig, rule: dict[str, Any]) -> None:
    """An audit that is forbidden or down cannot tell how it was answered: a rejection that opens nothing."""
    request_id = rig.inside.ask(arguments={})
    (request,) = await rig.client.list_pending()
    rig.inside.decide(request_id, "approved")
    rig.faults.add(path="/agents/hitl/audit*", **rule)

    said = await asyncio.to_thread(ask_people, request, base_url=rig.url, api_key=KEY, every=0.01)

    assert HITLDecision.REJECTED is said.decision
    assert "audit does not say" in str(said.operator_input)


@pytest.mark.parametrize("rule", [None, {"status": 503}])
async def test_asking_people_ends_at_the_deadline(rig: Rig, rule: dict[str, Any] | None) -> None:
    """Whether it is still listed then, or nothing can be read at all: no thread of it stays forever."""
    rig.inside.ask(arguments={}, timeout_seconds=600)
    (request,) = await rig.client.list_pending()
    if rule is not None:
        rig.faults.add(path="*", **rule)
    now = datetime.now(UTC)

    def pause(_: float) -> None:
        nonlocal now
        now += timedelta(seconds=100)

    said = await asyncio.to_thread(
        ask_people, request, base_url=rig.url, api_key=KEY, pause=pause, clock=lambda: now
    )

    assert HITLResponse(decision=HITLDecision.REJECTED, operator_input=LATE) == said
