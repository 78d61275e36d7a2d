"""Open modals, and the one-use trigger_ids that allow an app to open them."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.slack.errors import SlackError
from sandbox.slack.limits import check_view
from sandbox.slack.messages import View

#: docs.slack.dev/interactivity: a trigger_id must be exchanged within 3 seconds, once.
TRIGGER_SECONDS = 3.0
#: docs.slack.dev/surfaces/modals: at most three views in a stack.
STACK = 3


@dataclass(frozen=True, slots=True)
class _Trigger:
    user: str
    at: float
    used: bool = False


class Modals:
    """Which modals each person has open; `monotonic` gives seconds for the life of trigger_ids."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        named: Callable[[list[dict[str, Any]]], tuple[dict[str, Any], ...]],
    ) -> None:
        """`named` stores blocks as Slack does, with an id for each."""
        self._monotonic = monotonic
        self._named = named
        self._triggers: dict[str, _Trigger] = {}
        self._stacks: dict[str, list[View]] = {}
        self._number = itertools.count(1)

    def new_trigger(self, user: str) -> str:
        """A trigger_id for what this person just did."""
        trigger_id = f"{next(self._number)}.sandbox.{user.lower()}"
        self._triggers[trigger_id] = _Trigger(user, self._monotonic())
        return trigger_id

    def exchange(self, trigger_id: str) -> str:
        """Who may be shown a modal. Raises SlackError: invalid_, exchanged_, expired_trigger_id."""
        trigger = self._triggers.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if self._monotonic() - trigger.at > TRIGGER_SECONDS:
            raise SlackError("expired_trigger_id")
        self._triggers[trigger_id] = replace(trigger, used=True)
        return trigger.user

    def open(self, user: str, definition: Any) -> View:
        """Show a modal in place of the one before. Raises SlackError as `check_view` does."""
        view = self._made(user, definition, below=None)
        self._stacks[user] = [view]
        return view

    def push(self, user: str, definition: Any) -> View:
        """Put a modal on top. Raises SlackError push_limit_reached at the fourth, not_found without one
        below."""
        stack = self._stacks.get(user)
        if not stack:
            raise SlackError("not_found")
        if len(stack) >= STACK:
            raise SlackError("push_limit_reached")
        view = self._made(user, definition, below=stack[-1])
        stack.append(view)
        return view

    def update(self, view_id: str, definition: Any, *, known_hash: str | None = None) -> View:
        """Replace a modal's content. Raises SlackError: not_found when it was closed, hash_conflict."""
        check_view(definition)
        old = self.get(view_id)
        if known_hash is not None and known_hash != old.hash:
            raise SlackError("hash_conflict")
        view = replace(old, revision=old.revision + 1, definition=self._stored(definition))
        stack = self._stacks[view.user]
        stack[:] = [view if kept.id == view_id else kept for kept in stack]
        return view

    def get(self, view_id: str) -> View:
        """Raises SlackError not_found; an external_id is as good as the id."""
        for stack in self._stacks.values():
            for view in stack:
                if view_id in (view.id, view.definition.get("external_id") or None):
                    return view
        raise SlackError("not_found")

    def close(self, view_id: str, *, all_of_them: bool = False) -> None:
        """Take a modal away, and all below it when `all_of_them`."""
        view = self.get(view_id)
        stack = self._stacks[view.user]
        stack[:] = [] if all_of_them else [kept for kept in stack if kept.id != view_id]

    def of(self, user: str) -> list[View]:
        """The modals in front of a person, the visible one last."""
        return list(self._stacks.get(user, []))

    def _stored(self, definition: Mapping[str, Any]) -> dict[str, Any]:
        return {**definition, "blocks": list(self._named(definition["blocks"]))}

    def _made(self, user: str, definition: Any, *, below: View | None) -> View:
        check_view(definition)
        view_id = f"V0{next(self._number):05d}"
        return View(
            id=view_id,
            user=user,
            root=below.root if below else view_id,
            previous=below.id if below else None,
            revision=1,
            definition=self._stored(definition),
        )
