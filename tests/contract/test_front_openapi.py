"""Schemathesis against Nod's own front, all its doors open: whatever it makes up is answered as documented."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Set
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from sandbox.testing.backstage import Backstage
from tests.contract.front_rig import FORM, TOKEN, Front, open_front
from tests.contract.openapi_rig import made_up

SLACK, TEAMS, RELAY = "/slack/events", "/api/messages", "/relay/wake"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")

load_all_checks()
#: What fits a schema may still be nobody's press, and of the rest Nod reads only some parts.
LAX: list[Any] = CHECKS.get_by_names(["positive_data_acceptance", "negative_data_rejection"])

#: Values in a place where another type belongs.
OTHER = [None, True, -1, 1e308, "", "x", "\x00", "x" * 4000, [], {}, [[]], [None], {"id": 1}]

#: Cases of the short form.
FITTING, BROKEN = 80, 40

Seen = Counter[tuple[str, int]]


@pytest.fixture
def front(stage: Backstage, tmp_path: Path) -> Front:
    return stage.open(open_front(tmp_path))


@pytest.fixture
def document(front: Front) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{front.url}/openapi.json").json()
    return found


def probe(front: Front, document: dict[str, Any], *, mode: GenerationMode, cases: int, part: int) -> Seen:
    """Send so many cases, check every answer, and count the answers by path and status."""
    seen: Seen = Counter()
    schema = schemathesis.openapi.from_dict(document)

    @made_up(cases=cases, part=part)
    @given(case=schema.as_strategy(generation_mode=mode), data=st.data())
    def send(case: Case[Any], data: st.DataObject) -> None:
        answer = case.call(base_url=front.url, timeout=20, **knock(case, front, data))
        seen[case.path, answer.status_code] += 1
        case.validate_response(answer, excluded_checks=LAX)

    send()
    return seen


def probe_for(
    wanted: Set[tuple[str, int]], front: Front, document: dict[str, Any], *, mode: GenerationMode, cases: int
) -> Seen:
    """Parts of so many cases, four at most, until each wanted answer was seen.

    Hypothesis also draws constants of all imported modules, so a part differs with what ran before.
    """
    seen: Seen = Counter()
    for part in range(1, 5):
        seen += probe(front, document, mode=mode, cases=cases, part=part)
        if wanted <= set(seen):
            break
    return seen


def knock(case: Case[Any], front: Front, data: st.DataObject) -> dict[str, Any]:
    """For half of what is posted: the sender's own proof, so that what was made up is read."""
    if case.path not in (SLACK, TEAMS, RELAY) or not data.draw(st.booleans()):
        return {}
    if case.path == RELAY:
        return {"headers": {"Authorization": f"Bearer {TOKEN}"}}
    body = case.body if isinstance(case.body, dict | list | str | int | float | None) else {}
    if case.path == TEAMS:
        case.body = mixed(front.activity, body, data)
        return {"headers": {"Authorization": front.bearer}}
    if case.media_type == FORM:
        payload = mixed(front.payload, parsed(body), data)
        raw, headers = front.by_slack({"payload": payload}, kind=FORM)
    else:
        raw, headers = front.by_slack(body, kind="application/json")
    return {"data": raw, "headers": headers}


def parsed(body: object) -> object:
    """What a made-up form has as its payload."""
    payload = body.get("payload") if isinstance(body, dict) else body
    try:
        return json.loads(payload) if isinstance(payload, str) else payload
    except (ValueError, RecursionError):
        return payload


def mixed(true: Any, made_up: Any, data: st.DataObject) -> Any:
    """A true press in which parts, at whatever depth, are made up or of another kind; or nothing but that."""
    if isinstance(true, list) and true:
        made_up = made_up if isinstance(made_up, list) and made_up else true
        return [mixed(true[0], made_up[0], data), *made_up[1:]]
    if not isinstance(true, dict) or data.draw(st.integers(0, 3)) == 0:
        return data.draw(st.sampled_from([made_up, made_up, *OTHER]))
    made_up = made_up if isinstance(made_up, dict) else {}
    there = sorted({*true, *made_up})
    names = data.draw(st.sets(st.sampled_from(there), max_size=2)) if there else ()
    return true | {name: mixed(true.get(name), made_up.get(name), data) for name in names}


def test_some_dozen_cases(front: Front, document: dict[str, Any]) -> None:
    """Nothing that fits the document, and nothing that does not, makes Nod answer otherwise than documented."""
    fits = {(SLACK, 200), (SLACK, 400), (SLACK, 401), (TEAMS, 200), (TEAMS, 401), (TEAMS, 403)}
    fits |= {(RELAY, 204), (RELAY, 401)}
    fitting = probe_for(fits, front, document, mode=GenerationMode.POSITIVE, cases=FITTING)
    broken = probe_for(
        {(SLACK, 400), (TEAMS, 400)}, front, document, mode=GenerationMode.NEGATIVE, cases=BROKEN
    )

    assert FITTING <= fitting.total()
    assert fits <= set(fitting)
    assert BROKEN <= broken.total()
    assert {(SLACK, 400), (TEAMS, 400)} <= set(broken)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "broken"])
@pytest.mark.parametrize("part", [1, 2])
def test_ten_thousand_cases(front: Front, document: dict[str, Any], mode: GenerationMode, part: int) -> None:
    """The same in the long form: four times 2,500."""
    assert 2500 <= probe(front, document, mode=mode, cases=2500, part=part).total()


def test_other_methods_are_refused_with_those_that_there_are(front: Front, document: dict[str, Any]) -> None:
    """405 with `Allow` for each path and each method that the document has not, and 404 for any other path."""
    with httpx.Client(base_url=front.url) as client:
        for path, operations in document["paths"].items():
            for method in METHODS:
                if method.lower() not in operations:
                    said = client.request(method, path)
                    allowed = {name.strip().lower() for name in said.headers["allow"].split(",")}
                    assert (405, set(operations)) == (said.status_code, allowed - {"head"}), (method, path)
            assert 404 == client.request("POST", f"{path}/").status_code
        assert 404 == client.get("/").status_code


def test_a_look_at_the_head_is_a_look(front: Front, document: dict[str, Any]) -> None:
    """HEAD is GET without the body, on every path that can be read."""
    looks = [path for path, operations in document["paths"].items() if "get" in operations]
    assert ["/healthz", "/readyz", "/metrics", "/openapi.json"] == looks
    with httpx.Client(base_url=front.url) as client:
        for path in looks:
            said, got = client.head(path), client.get(path)
            assert (got.status_code, b"") == (said.status_code, said.content)
            assert got.headers["content-type"] == said.headers["content-type"]
