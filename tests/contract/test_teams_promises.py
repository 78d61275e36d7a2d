"""What the core may rely on from any chat, held against Teams.

Left out is what Teams cannot do: it gives a bot no history, so nothing that was posted without an answer is
found by looking (`TeamsChat.find`), and a burst of seven messages waits for no turn.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from adapters.teams.conversations import split_ref
from sandbox.teams.people import APPROVALS, ELSEWHERE
from sandbox.teams.tenant import Teams as System
from tests.contract.teams_rig import BOB, CHANNEL, STRANGER, open_rig
from tests.contract.test_chat import (
    ChatRig,
    test_a_card_goes_up_and_is_changed_in_place,
    test_a_card_is_found_by_its_mark,
    test_a_channel_without_the_bot_is_forbidden,
    test_a_deleted_card_is_gone,
    test_a_digest_goes_up_and_is_changed_in_place,
    test_a_link_opens_the_message,
    test_a_notice_without_a_thread_stands_in_the_channel,
    test_a_refused_token_ails_the_whole_surface,
    test_a_refused_token_is_forbidden,
    test_a_surface_that_cannot_be_asked_tells_nothing,
    test_a_surface_without_troubles_has_none,
    test_one_person_is_told_alone,
    test_updating_twice_is_harmless,
    test_who_cannot_be_messaged_is_forbidden,
)

__all__ = [
    "test_a_card_goes_up_and_is_changed_in_place",
    "test_a_card_is_found_by_its_mark",
    "test_a_channel_without_the_bot_is_forbidden",
    "test_a_deleted_card_is_gone",
    "test_a_digest_goes_up_and_is_changed_in_place",
    "test_a_link_opens_the_message",
    "test_a_notice_without_a_thread_stands_in_the_channel",
    "test_a_refused_token_ails_the_whole_surface",
    "test_a_refused_token_is_forbidden",
    "test_a_surface_that_cannot_be_asked_tells_nothing",
    "test_a_surface_without_troubles_has_none",
    "test_one_person_is_told_alone",
    "test_updating_twice_is_harmless",
    "test_who_cannot_be_messaged_is_forbidden",
]


def summaries(system: System, channel: str) -> list[str]:
    """The line of each message of a place for a lock screen, as it was last sent."""
    place = APPROVALS if channel == CHANNEL else channel
    said = {
        call.path.rpartition("/")[2]: call.body["summary"]
        for call in system.called("update")
        if call.status < 300
    }
    posted = [
        call.body["summary"] for call in system.called("send") if place in call.path and call.status < 300
    ]
    messages = system.messages(place)
    return [said.get(message.id, line) for message, line in zip(messages, posted, strict=True)]


@asynccontextmanager
async def teams_rig_of() -> AsyncIterator[ChatRig]:
    """The local Teams."""
    async with open_rig() as rig:
        system = rig.system

        def revoke() -> None:
            rig.faults.add(path="/teams/v3/*", status=401, body={"message": "Authorization has been denied."})

        yield ChatRig(
            chat=rig.teams.chat,
            channel=CHANNEL,
            elsewhere="finance-approvals",
            without_bot=ELSEWHERE,
            somebody=BOB,
            nobody=STRANGER,
            shown=lambda channel: summaries(system, channel),
            alone=lambda room: {"bob"} == system.conversations.place(room).members,
            opens=lambda link, ref: f"/{split_ref(ref)[1]}?" in link and "19%3Aapprovals" in link,
            spoil={},
            cut_off=lambda: rig.faults.add(path="/teams/*", reset=True),
            delete=lambda ref: system.conversations.remove(rig.message(ref)),
            revoke=revoke,
            lose_answers=lambda: rig.faults.add(method="POST", path="/teams/v3/*", reset=True, after=True),
            forge=lambda mark: None,
        )


@pytest.fixture
def new_rig() -> Callable[[], AbstractAsyncContextManager[ChatRig]]:
    """A fresh Teams."""
    return teams_rig_of
