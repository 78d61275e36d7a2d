"""The faults in docs/library.md do what the page says; its example passes exactly as written there."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from sandbox.faults import Rule
from sandbox.platform import Agent, Say
from sandbox.servers import API_KEY, Sandbox, open_sandbox
from tests.servers.team import run_tests

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text()
SECTION = PAGE.partition("### Faults on request\n")[2].partition("\n## ")[0]
RECIPES = dict(re.findall(r"^\| ([^|`]+) \| `(\{.*\})` \|$", SECTION, re.MULTILINE))
TALKER = Agent(name="talker", about="Talks.", steps=tuple(Say(text="Hello. " * 9) for _ in range(9)))

Probe = Callable[[Sandbox, httpx.AsyncClient], Awaitable[object]]


async def listing(_: Sandbox, client: httpx.AsyncClient) -> object:
    """What the pending list is: status and text."""
    answer = await client.get("/agents/hitl/pending")
    return answer.status_code, answer.text


async def waiting(_: Sandbox, client: httpx.AsyncClient) -> object:
    """The header of the pending list that says when to come back."""
    answer = await client.get("/agents/hitl/pending")
    return answer.status_code, answer.headers["retry-after"]


async def audited(_: Sandbox, client: httpx.AsyncClient) -> object:
    """The audit's refusal, of the list and of one."""
    answers = [await client.get(f"/agents/hitl/audit{part}") for part in ("", "/one")]
    return [(answer.status_code, answer.json()["error"]) for answer in answers]


async def deciding(sandbox: Sandbox, client: httpx.AsyncClient) -> object:
    """How a decision ends for who posts it, and what came of it."""
    body = {"request_id": sandbox.platform.ask(arguments={}), "decision": "approved"}
    with pytest.raises(httpx.TransportError):
        await client.post("/agents/hitl/decision", json=body)
    return len(sandbox.platform.executed)


async def late(_: Sandbox, client: httpx.AsyncClient) -> object:
    """Whether the health check takes the 0.3 s of the rule, and is itself."""
    begun = time.monotonic()
    answer = await client.get("/health-check")
    return time.monotonic() - begun >= 0.3, answer.json()


async def one_hanging(_: Sandbox, client: httpx.AsyncClient) -> object:
    """How the decision that the rule names ends, and how another one does."""
    path = "/agents/hitl/decision"
    with pytest.raises(httpx.ReadTimeout):
        await client.post(path, json={"request_id": "the-slow-one", "decision": "approved"}, timeout=0.3)
    return (await client.post(path, json={"request_id": "another", "decision": "approved"})).status_code


async def dripping(_: Sandbox, client: httpx.AsyncClient) -> object:
    """Whether the health check comes in single bytes, and is itself."""
    async with client.stream("GET", "/health-check") as answer:
        chunks = [chunk async for chunk in answer.aiter_raw()]
    return len(chunks) > 1, json.loads(b"".join(chunks))


async def broken(_: Sandbox, client: httpx.AsyncClient) -> object:
    """How an answer ends."""
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/openapi.json")
    return "broken"


async def streamed(_: Sandbox, client: httpx.AsyncClient) -> object:
    """How much comes of a stream."""
    got = bytearray()
    with pytest.raises(httpx.RemoteProtocolError):
        await collect(client, got)
    return len(got)


async def collect(client: httpx.AsyncClient, into: bytearray) -> None:
    """What a run says, as far as it comes."""
    async with client.stream("POST", f"/agents/{TALKER.id}/run", json={"input": "go"}) as answer:
        async for chunk in answer.aiter_raw():
            into += chunk


SEEN: dict[str, tuple[Probe, object]] = {
    "a server error": (listing, (503, "")),
    "too many requests": (waiting, (429, "1")),
    "no permission for the audit": (audited, [(403, "forbidden")] * 2),
    "the connection is reset before anything happened": (deciding, 0),
    "the decision is accepted, and its answer is lost": (deciding, 1),
    "a slow answer": (late, (True, {"status": "ok"})),
    "no answer to one decision": (one_hanging, 404),
    "an answer that comes byte by byte": (dripping, (True, {"status": "ok"})),
    "an answer that breaks off": (broken, "broken"),
    "a stream that breaks off": (streamed, 200),
    "a page in place of JSON": (listing, (200, "<html>Sign in</html>")),
    "JSON of another shape": (listing, (200, '{"unexpected":true}')),
}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox() as sandbox:
        sandbox.platform.agents[TALKER.name] = TALKER
        yield sandbox


def test_every_recipe_is_tried() -> None:
    """The table's rows and the rows below are the same, and each field of a rule has its line."""
    assert sorted(SEEN) == sorted(RECIPES)
    (asked,) = re.findall(r"-d '(.*)'$", SECTION, re.MULTILINE)
    assert [503] == [Rule.model_validate(rule).status for rule in json.loads(asked)]
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", SECTION, re.MULTILINE)))
    assert sorted(Rule.model_fields) == sorted(named)


@pytest.mark.parametrize("wrong", SEEN)
async def test_what_goes_wrong(sandbox: Sandbox, wrong: str) -> None:
    """The rule, asked for over HTTP as the page says, does what its row says; cleared, all is well again."""
    probe, expected = SEEN[wrong]
    async with httpx.AsyncClient(base_url=sandbox.url, headers={"X-API-Key": API_KEY}) as client:
        assert (await client.post("/sandbox/faults", content=f"[{RECIPES[wrong]}]")).is_success

        assert expected == await probe(sandbox, client)

        assert 0 < (await client.get("/sandbox/faults")).json()[0]["hits"]
        assert [] == (await client.delete("/sandbox/faults")).json()
        assert 200 == (await client.get("/agents/hitl/pending")).status_code


async def test_a_rule_that_is_none(sandbox: Sandbox) -> None:
    """A word that is no field is refused, and the rules stay as they were."""
    async with httpx.AsyncClient(base_url=sandbox.url) as client:
        await client.post("/sandbox/faults", content=json.dumps([{"status": 503}]))
        assert 422 == (await client.post("/sandbox/faults", content='[{"statsu": 500}]')).status_code
        assert [503] == [rule["status"] for rule in (await client.get("/sandbox/faults")).json()]


def test_the_example(tmp_path: Path) -> None:
    """A team that copies the page's example, and the line for its conftest, has a test that passes."""
    (example,) = re.findall(r"^```python\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    done = run_tests(tmp_path, example)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "1 passed" in done.stdout
