"""Schemathesis against the sandbox's own OpenAPI document: whatever it makes up is answered as documented."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from sandbox.platform import Agent, Platform, Say, open_platform, platform_app
from sandbox.platform.openapi import document
from sandbox.serve import serve
from sandbox.testing.backstage import Backstage
from tests.contract.openapi_rig import made_up

KEY = "key-of-the-day"
#: Never asks, so that a run of it ends.
TALKER = Agent(name="talker", about="Talks.", steps=(Say(text="Hello."),))

load_all_checks()
#: A range of dates that ends before it begins fits the schema, and is refused as the guide says.
DATES: list[Any] = CHECKS.get_by_names(["positive_data_acceptance"])
#: A parameter that is not known is ignored, as FastAPI does; and the key is sent whatever was drawn.
LAX: list[Any] = CHECKS.get_by_names(["negative_data_rejection"])


@pytest.fixture
def platform(stage: Backstage) -> Platform:
    return stage.open(open_platform(api_key=KEY, agents=[TALKER]))


@pytest.fixture
def url(stage: Backstage, platform: Platform) -> str:
    return stage.open(serve(platform_app(platform)))


@pytest.fixture
def known(stage: Backstage, platform: Platform) -> dict[str, list[str]]:
    """What is there to be found: an agent, its tool, and requests that wait or are over."""
    ids = [stage.call(lambda: platform.ask(arguments={"text": "x" * 3000})) for _ in range(3)]
    stage.call(lambda: platform.decide(ids[0], "rejected", "no"))
    return {"agent_id": [TALKER.id, TALKER.slug], "request_id": ids}


def probe(
    url: str, known: dict[str, list[str]], *, mode: GenerationMode, cases: int, part: int
) -> Counter[int]:
    """Send so many cases, check every answer, and count the answers by their status."""
    statuses: Counter[int] = Counter()
    schema = schemathesis.openapi.from_dict(document())

    @made_up(cases=cases, part=part)
    @given(case=schema.as_strategy(generation_mode=mode), data=st.data())
    def send(case: Case[Any], data: st.DataObject) -> None:
        if mode is GenerationMode.POSITIVE:
            meet(case, known, data)
        answer = case.call(base_url=url, headers={"X-API-Key": KEY}, timeout=20)
        statuses[answer.status_code] += 1
        excluded = LAX + (DATES if case.path == "/agents/hitl/audit" else [])
        case.validate_response(answer, excluded_checks=excluded)

    send()
    return statuses


def meet(case: Case[Any], known: dict[str, list[str]], data: st.DataObject) -> None:
    """Ask every other time about something that is there; what is made up finds nothing."""
    for name, values in known.items():
        for place in (case.path_parameters, case.body):
            if isinstance(place, dict) and name in place and data.draw(st.booleans()):
                place[name] = data.draw(st.sampled_from(values))


def test_some_hundred_cases(url: str, known: dict[str, list[str]]) -> None:
    """Nothing that fits the document, and nothing that does not, makes it answer otherwise than documented."""
    fitting = probe(url, known, mode=GenerationMode.POSITIVE, cases=120, part=1)
    broken = probe(url, known, mode=GenerationMode.NEGATIVE, cases=60, part=2)

    assert 120 <= fitting.total()
    assert {200, 201, 404, 409} <= set(fitting)
    assert 60 <= broken.total()
    assert 422 in broken
    # Which parameters are drawn is chance; of those that are not taken one is sent in any case.
    refused = httpx.get(f"{url}/agents/hitl/audit", params={"limit": 101}, headers={"X-API-Key": KEY})
    assert 400 == refused.status_code


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "broken"])
@pytest.mark.parametrize("part", [1, 2])
def test_ten_thousand_cases(url: str, known: dict[str, list[str]], mode: GenerationMode, part: int) -> None:
    """The same in the long form: four times 2,500."""
    assert 2500 <= probe(url, known, mode=mode, cases=2500, part=part).total()
