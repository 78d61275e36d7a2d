"""What the local Slack holds of a bot's messages, by the marks that they carry, and what the audit says."""

from __future__ import annotations

from collections import Counter

from sandbox.slack.messages import Message
from tests.servers.system import System


def notices(system: System, ending: str = "") -> list[Message]:
    """What is up in threads and in rooms of two under a mark that ends so."""
    found = [message for message in marked(system) if mark_of(message).endswith(ending)]
    return [message for message in found if message.thread_ts or message.channel.startswith("D0")]


def marked(system: System) -> list[Message]:
    """Every message of the bot: cards, digests, notices and pages."""
    workspace = system.sandbox.workspace
    everything = (m for channel in workspace.conversations.channels for m in workspace.messages(channel))
    return [message for message in everything if mark_of(message)]


def alone(messages: list[Message], user: str) -> list[Message]:
    """Those that one person got in the room of two."""
    return [message for message in messages if message.channel == f"D0{user.removeprefix('U0')}"]


def in_threads(messages: list[Message]) -> list[Message]:
    """The ones in a card's thread."""
    return [message for message in messages if message.thread_ts is not None]


def mark_of(message: Message) -> str:
    """The bot's own name for a message; empty where it has none."""
    return str((message.metadata or {}).get("event_payload", {}).get("mark", ""))


def fired(system: System) -> Counter[tuple[str, int]]:
    """How often the audit says that a rung of a request fired."""
    rows = (row for row in system.audit() if row["kind"] == "rung_fired")
    return Counter((row["approval"], row["body"]["rung"]) for row in rows)


def check_each_once(system: System) -> None:
    """Every rung fired once, every notice sent at most once, and no message is up twice."""
    assert {1} >= set(fired(system).values()), fired(system)
    rows = [(row["approval"], row["body"]) for row in system.audit() if row["kind"] == "told"]
    told = Counter((a, body["mark"], body["card"], body["person"]) for a, body in rows)
    assert {1} >= set(told.values()), told
    marks = Counter(mark_of(message) for message in marked(system))
    assert {1} >= set(marks.values()), marks
