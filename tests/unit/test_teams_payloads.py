"""An activity is read strictly: to the last byte that is allowed, and to the place that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.chat.payload import Malformed
from adapters.teams.payloads import (
    BODY,
    Arrived,
    Press,
    Untrusted,
    activity_in,
    check_shape,
    read_invoke,
    read_submit,
    tenants_in,
)

HEADERS = {"content-type": "Application/JSON ; charset=utf-8"}
ACTIVITY: dict[str, Any] = {
    "type": "message",
    "serviceUrl": "https://smba.example/",
    "channelId": "msteams",
    "conversation": {"id": "19:x", "tenantId": "T-1", "conversationType": "channel"},
    "from": {"id": "29:1", "name": "Ann", "aadObjectId": "a"},
    "recipient": {"id": "28:app"},
    "channelData": {"tenant": {"id": "t-1"}},
}


def status(body: bytes, headers: dict[str, str] = HEADERS) -> int:
    try:
        activity_in(headers, body)
    except Untrusted as untrusted:
        return untrusted.status
    return 200


def test_a_body_is_read_up_to_its_bound() -> None:
    """To the last byte; what is no JSON by its name is not read at all."""
    body = json.dumps(ACTIVITY).encode()
    assert ACTIVITY == activity_in(HEADERS, body)
    assert 200 == status(body + b" " * (BODY - len(body)))
    assert 413 == status(body + b" " * (BODY - len(body) + 1))
    assert 415 == status(body, {"content-type": "text/json"})
    assert 415 == status(body, {})


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"\xff", b"{}", b"[" * 100_000], ids=len)
def test_what_is_no_activity_is_a_400(body: bytes) -> None:
    """Whatever it is instead."""
    assert 400 == status(body)


def test_a_refusal_says_why_and_nothing_else() -> None:
    """For the log."""
    untrusted = Untrusted(403, "for another bot")
    assert ("for another bot", 403) == (str(untrusted), untrusted.status)


def test_half_a_character_is_no_text() -> None:
    """It could not be stored."""
    assert 400 == status(json.dumps(ACTIVITY | {"text": "\ud800"}).encode())


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        *(({name: value}, name) for name in ("type", "serviceUrl", "channelId") for value in (None, "", 7)),
        *(({name: value}, name) for name in ("name", "id", "replyToId", "action") for value in ("", 7, {})),
        ({"text": 7}, "text"),
        ({"text": ["x"]}, "text"),
        *(({name: value}, name) for name in ("conversation", "from", "recipient") for value in (None, "x")),
        *(({name: {"id": value}}, "id") for name in ("conversation", "from", "recipient") for value in ("", 7)),
        *(
            ({"from": {"id": "29:1", inner: 7}}, inner)
            for inner in ("name", "aadObjectId", "conversationType", "tenantId")
        ),
        ({"channelData": None}, "channelData"),
        ({"channelData": {"tenant": "x"}}, "tenant"),
        ({"channelData": {"tenant": {"id": 7}}}, "id"),
        ({"channelData": {}}, "id"),
        *(
            ({name: value}, name)
            for name in ("membersAdded", "membersRemoved")
            for value in ("x", {}, ["x"], [{}], [{"id": "28:app"}, {"id": 7}])
        ),
    ],
    ids=str,
)
def test_another_shape_is_malformed_and_says_where(changed: dict[str, Any], wrong: str) -> None:
    """By the name of the part."""
    with pytest.raises(Malformed) as malformed:
        check_shape(ACTIVITY | changed)
    assert wrong == str(malformed.value)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"text": None},
        {"text": ""},
        {"text": "help", "name": "n", "id": "i", "replyToId": "r", "action": "add"},
        {"membersAdded": [], "membersRemoved": [{"id": "29:1"}, {"id": "28:app"}]},
        {"from": {"id": "29:1", "name": None, "aadObjectId": None}},
    ],
    ids=str,
)
def test_what_teams_sends_has_the_shape(changed: dict[str, Any]) -> None:
    """With and without the parts that may be missing."""
    check_shape(ACTIVITY | changed)


@pytest.mark.parametrize(
    ("changed", "tenants"),
    [
        ({}, ["t-1"]),
        ({"conversation": {"tenantId": "T-2"}}, ["t-1", "t-2"]),
        ({"conversation": {"id": "T-2"}}, ["t-1"]),
        ({"conversation": {"tenantId": ""}}, ["t-1"]),
        ({"conversation": "T-2"}, ["t-1"]),
        ({"channelData": {"tenant": {"tenantId": "t-2"}}}, ["t-1"]),
        ({"channelData": {"tenant": "t-2"}, "conversation": {"tenantId": 7}}, []),
        ({"channelData": "t-2"}, ["t-1"]),
    ],
    ids=str,
)
def test_both_places_of_a_tenant_are_read(changed: dict[str, Any], tenants: list[str]) -> None:
    """In small letters; what is no text names none."""
    assert set(tenants) == tenants_in(ACTIVITY | changed)


def arrived(value: object, **more: Any) -> Arrived:
    usual: dict[str, Any] = {
        "type": "invoke", "name": None, "id": "i", "service_url": "https://smba.example/", "kind": "channel",
        "conversation": "19:x;messageid=7", "title": "", "tenant": "t-1", "user": "29:1", "aad": "a",
        "bot": "28:app",
        "reply_to": "7", "action": None, "added": (), "removed": (), "channel_data": {},
    }  # fmt: skip
    return Arrived(value=value, **(usual | more))


def data(verb: str, **more: object) -> dict[str, object]:
    return {"nod": verb, "value": "v1.sealed", "channel": "teams:approvals", **more}


def invoke(verb: str, *, given: dict[str, object] | None = None, **more: object) -> Press:
    action = {"type": "Action.Execute", "verb": f"nod_{verb}", "data": given or data(verb)}
    return read_invoke(arrived({"action": action, **more}))


def test_a_press_says_who_and_on_which_message() -> None:
    """A person's, unless Teams says otherwise; a field for words is known by its name."""
    press = invoke("approve")
    assert ("29:1", "19:x", "7") == (press.user, press.conversation, press.ref)
    assert (None, False, False) == (press.note, press.has_note, press.automatic)
    press = invoke("approve", given=data("approve", nod_note=" Fine. "), trigger="manual")
    assert ("Fine.", True, False) == (press.note, press.has_note, press.automatic)


def test_teams_itself_looks_and_never_answers() -> None:
    """Only what is shown may come unasked."""
    assert invoke("show", trigger="automatic").automatic
    assert not invoke("show").automatic
    for verb in ("approve", "reject", "skip", "claim"):
        with pytest.raises(Malformed, match="trigger"):
            invoke(verb, trigger="automatic")


def test_a_note_of_another_kind_is_named() -> None:
    """By the field."""
    with pytest.raises(Malformed, match="nod_note"):
        invoke("approve", given=data("approve", nod_note={"text": "x"}))


def test_a_message_with_a_value_is_a_persons_press() -> None:
    """Without Nod's own mark it is none."""
    press = read_submit(arrived(data("approve")))
    assert press is not None
    assert not press.automatic
    assert read_submit(arrived({"other": 1})) is None
    assert read_submit(arrived(None)) is None
