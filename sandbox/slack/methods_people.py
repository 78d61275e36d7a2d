"""users.*, usergroups.* and auth.test: who is who (docs.slack.dev/reference/methods)."""

from typing import Any

from sandbox.slack.calls import Asked
from sandbox.slack.errors import SlackError
from sandbox.slack.people import TEAM_DOMAIN, TEAM_ID, Person


def auth_test(asked: Asked) -> dict[str, Any]:
    """auth.test: whose token this is, and here as workspace's address the page of the sandbox.

    The scopes are in the header X-OAuth-Scopes of every answer.
    """
    app = asked.workspace.app
    base = asked.workspace.base_url or f"https://{TEAM_DOMAIN}.slack.com"
    return {
        "url": f"{base}/",
        "team": "Acme (sandbox)",
        "user": app.name.lower(),
        "team_id": TEAM_ID,
        "user_id": app.bot_user_id,
        "bot_id": app.bot_id,
        "is_enterprise_install": False,
    }


def _shown(asked: Asked, person: Person) -> dict[str, Any]:
    scopes = asked.workspace.app.scopes.split(",")
    return {"user": person.to_slack(with_email="users:read.email" in scopes)}


def info(asked: Asked) -> dict[str, Any]:
    """users.info; the e-mail only with users:read.email."""
    person = asked.workspace.people.get(asked.text("user", missing="user_not_found"))
    if person is None:
        raise SlackError("user_not_found")
    return _shown(asked, person)


def lookup_by_email(asked: Asked) -> dict[str, Any]:
    """users.lookupByEmail: a member of this workspace who is not deactivated."""
    email = asked.text("email", missing="users_not_found").casefold()
    for person in asked.workspace.people.values():
        own = person.team_id == TEAM_ID and not person.deleted
        if own and person.email and person.email.casefold() == email:
            return _shown(asked, person)
    raise SlackError("users_not_found")


def listed(asked: Asked) -> dict[str, Any]:
    """users.list: everybody in the workspace, bots and the deactivated too."""
    people = asked.workspace.people.values()
    return asked.page("members", [_shown(asked, person)["user"] for person in people])


def usergroup_members(asked: Asked) -> dict[str, Any]:
    """usergroups.users.list."""
    members = asked.workspace.usergroups.get(asked.text("usergroup", missing="no_such_subteam"))
    if members is None:
        raise SlackError("no_such_subteam")
    return {"users": list(members)}
