"""Where a payload says the same thing in two places, both must say it: else two readers see two clicks. Pure.

Shapes: docs.slack.dev/reference/interaction-payloads/block_actions-payload and view-interactions-payload. What
one of the places leaves out is no contradiction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.slack.strict import Malformed

#: Paths that name one thing, the first of each being the one that Nod reads.
_SAME: tuple[tuple[str, ...], ...] = (
    ("user.id", "user_id"),
    ("team.id", "team_id"),
    ("enterprise.id", "team.enterprise_id", "enterprise_id"),
    ("user.enterprise_id", "user.enterprise_user.enterprise_id"),
    ("channel.id", "container.channel_id", "channel_id"),
    ("container.message_ts", "message.ts"),
    ("container.thread_ts", "message.thread_ts"),
    ("view.id", "container.view_id"),
    ("api_app_id", "view.app_id", "message.app_id"),
)


def check_agreement(payload: Mapping[str, Any]) -> None:
    """Raises Malformed where two places name two different things, or a click came from two places at once."""
    for paths in _SAME:
        named = [found for path in paths if (found := _at(payload, path)) is not None]
        if any(one != named[0] for one in named):
            raise Malformed(paths[0])
    container = _at(payload, "container.type")
    if payload.get("view") is not None and (payload.get("message") is not None or container == "message"):
        raise Malformed("container")


def _at(payload: Mapping[str, Any], path: str) -> object:
    found: object = payload
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return None if found == "" else found
