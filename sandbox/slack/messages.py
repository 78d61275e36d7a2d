"""Messages as the workspace keeps them: frozen, with every earlier version of an edited one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.slack.people import TEAM_ID, App


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message: in a channel, in a thread, or ephemeral when `only_for` names its one reader."""

    channel: str
    ts: str
    text: str
    author: str | None = None  #: a person's id; None for the app
    blocks: tuple[dict[str, Any], ...] = ()
    thread_ts: str | None = None
    metadata: Mapping[str, Any] | None = None
    only_for: str | None = None
    edited_ts: str | None = None
    history: tuple["Message", ...] = ()  #: earlier versions, oldest first

    def changed(self, *, at: str, text: str, blocks: tuple[dict[str, Any], ...], **fields: Any) -> "Message":
        """The message after chat.update; with blocks there is no "(edited)" mark (chat.update docs)."""
        edited = self.edited_ts if blocks else at
        past = (*self.history, replace(self, history=()))
        return replace(self, text=text, blocks=blocks, edited_ts=edited, history=past, **fields)

    def to_slack(self, *, app: App, with_metadata: bool = True) -> dict[str, Any]:
        """The `message` object of the Web API and of payloads."""
        shown: dict[str, Any] = {
            "type": "message",
            "user": self.author or app.bot_user_id,
            "team": TEAM_ID,
            "ts": self.ts,
            "text": self.text,
        }
        if self.author is None:
            shown |= {"bot_id": app.bot_id, "app_id": app.app_id}
        if self.blocks:
            shown["blocks"] = list(self.blocks)
        if self.thread_ts:
            shown["thread_ts"] = self.thread_ts
        if self.edited_ts:
            shown["edited"] = {"user": app.bot_user_id, "ts": self.edited_ts}
        if self.metadata and with_metadata:
            shown["metadata"] = dict(self.metadata)
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A modal that is open in front of one person, in a stack of at most three
    (docs.slack.dev/surfaces/modals)."""

    id: str
    user: str
    root: str
    previous: str | None
    revision: int
    definition: Mapping[str, Any]

    @property
    def hash(self) -> str:
        """Changes with each update, so that a late views.update can be refused with hash_conflict."""
        return f"{self.revision}.{self.id.lower()}"

    def to_slack(self, *, app: App, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The `view` object of views.* answers and of payloads."""
        given = self.definition
        return {
            "id": self.id,
            "team_id": TEAM_ID,
            "type": "modal",
            "blocks": given["blocks"],
            "private_metadata": given.get("private_metadata", ""),
            "callback_id": given.get("callback_id", ""),
            "external_id": given.get("external_id", ""),
            "state": {"values": dict(values or {})},
            "hash": self.hash,
            "title": given["title"],
            "submit": given.get("submit"),
            "close": given.get("close"),
            "clear_on_close": given.get("clear_on_close", False),
            "notify_on_close": given.get("notify_on_close", False),
            "previous_view_id": self.previous,
            "root_view_id": self.root,
            "app_id": app.app_id,
            "bot_id": app.bot_id,
            "app_installed_team_id": TEAM_ID,
        }
