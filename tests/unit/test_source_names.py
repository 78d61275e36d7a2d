"""The id of an approval: made of a source and the source's own id, so that no two requests have the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cli.audit_export import entry_of
from adapters.pagers.services import about
from bot.protocol import GLAIP, HITLRequest, key_of, split_key
from bot.records import Alert

_NAMES = st.sampled_from((GLAIP, "eu", "us-2", "a"))
_IDS = st.text() | st.builds(
    lambda *parts: "".join(parts), *(4 * [st.sampled_from(("eu", "glaip", ":", "::", "x", ""))])
)


@given(source=_NAMES, request_id=_IDS)
def test_an_id_says_which_source_and_which_request(source: str, request_id: str) -> None:
    """So two that differ in one of these have different ids."""
    assert (source, request_id) == split_key(key_of(source, request_id))


@pytest.mark.parametrize("request_id", ["4d2f-11", "run:123", "::", "A::b", "urn:x::y", "", "eu", "eu:"])
def test_an_id_of_before_stays_as_it_is(request_id: str) -> None:
    """Its cards, seals, votes and audit rows go on."""
    assert request_id == key_of(GLAIP, request_id)


@pytest.mark.parametrize(
    ("source", "request_id", "key"), [("eu", "4d2f", "eu::4d2f"), (GLAIP, "eu::4d2f", "glaip::eu::4d2f")]
)
def test_other_sources_stand_in_front(source: str, request_id: str, key: str) -> None:
    """As does `glaip` where an id of its own could be taken for one of theirs."""
    assert key == key_of(source, request_id)


def test_a_call_at_another_source_is_another_call() -> None:
    """Though the platform, the id and the words are the same: an answer to it is valid for it alone."""
    calls = [
        HITLRequest(request_id="r", tool_name="t", arguments={}, agent_id="a", platform="h", source=source)
        for source in (GLAIP, "eu", "us")
    ]
    assert 3 == len({call.digest for call in calls})


@pytest.mark.parametrize(
    ("about_id", "told"),
    [
        ("4d2f", {"request_id": "4d2f"}),
        ("eu::4d2f", {"request_id": "4d2f", "source": "eu"}),
        ("platform:eu", {"request_id": "platform:eu"}),
    ],
)
def test_a_pager_gets_the_requests_own_id(about_id: str, told: dict[str, str]) -> None:
    """And the source beside it."""
    alert = Alert(approval_id=about_id, cause="undelivered", text="", raised_at=datetime.now(UTC))
    assert told == about(alert)


def test_an_export_has_the_requests_own_id() -> None:
    """And the source beside it."""
    entries = [entry_of(key, (), call=None, redaction=None) for key in ("4d2f", "eu::4d2f")]
    assert [("4d2f", "glaip"), ("4d2f", "eu")] == [(one.request_id, one.source) for one in entries]
