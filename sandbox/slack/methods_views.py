"""views.* and apps.connections.open (docs.slack.dev/reference/methods)."""

from typing import Any

from sandbox.slack.calls import Asked
from sandbox.slack.errors import SlackError
from sandbox.slack.limits import check_view
from sandbox.slack.messages import View


def _shown(asked: Asked, view: View) -> dict[str, Any]:
    asked.workspace.changes.bump()
    return {"view": view.to_slack(app=asked.workspace.app)}


def _definition(asked: Asked) -> Any:
    """The checked view, looked at before the trigger_id, so that a broken modal does not use that up."""
    definition = asked.parsed("view", broken="invalid_arguments")
    check_view(definition)
    return definition


def open_view(asked: Asked) -> dict[str, Any]:
    """views.open."""
    definition = _definition(asked)
    user = asked.workspace.modals.exchange(asked.text("trigger_id", missing="invalid_trigger_id"))
    return _shown(asked, asked.workspace.modals.open(user, definition))


def push(asked: Asked) -> dict[str, Any]:
    """views.push: on top of the open modal, at most three."""
    definition = _definition(asked)
    user = asked.workspace.modals.exchange(asked.text("trigger_id", missing="invalid_trigger_id"))
    return _shown(asked, asked.workspace.modals.push(user, definition))


def update(asked: Asked) -> dict[str, Any]:
    """views.update by view_id or external_id, guarded by `hash` when given."""
    view_id = asked.maybe("view_id") or asked.maybe("external_id")
    if view_id is None:
        raise SlackError("invalid_arguments")
    definition = _definition(asked)
    view = asked.workspace.modals.update(view_id, definition, known_hash=asked.maybe("hash"))
    return _shown(asked, view)


def connections_open(asked: Asked) -> dict[str, Any]:
    """apps.connections.open: a one-use websocket address for Socket Mode."""
    workspace = asked.workspace
    base = workspace.base_url.replace("http", "ws", 1)
    return {"url": f"{base}/socket?ticket={workspace.sockets.ticket()}"}
