"""Every chat as nod.yaml writes it: one row each. How a chat is opened is in `adapters.plugins`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.surface import Surface

#: An id of Entra's: of a tenant, an app or a person (learn.microsoft.com/graph/api/resources/directoryobject).
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: Channels (`thread.tacv2`, older ones `thread.skype`) and group chats (`thread.v2`), but no thread in one:
#: that has `;messageid=` (msteams-docs, send-proactive-messages).
_CONVERSATION = re.compile(r"19:[A-Za-z0-9_.=-]{1,200}@thread\.(tacv2|v2|skype)")
#: No channel name contains `:`, `#`, `%` or `;`: such a text is a typo, or part of a link.
_NAME = re.compile(r"[^\s:#%;]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatWords:
    """What nod.yaml can say of a chat."""

    channel: Callable[[str], str | None]  #: a channel, as the chat has it; None: no such. Raises ValueError
    form: str  #: a pattern of places, for editors
    example: str  #: of a place
    place: str  #: what a place must be, with its example
    account: str  #: a pattern of people's ids; they count in small letters where it is `folded`
    account_is: str  #: what such an id must be, with an example
    set_up: str  #: what to do where the chat is not set up
    folded: bool = False
    #: The kinds of groups that the chat keeps, each with the form of its ids.
    groups: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    #: Whether people know a channel by what nod.yaml calls it.
    is_named: Callable[[str], bool] = lambda _: False


def slack_channel(text: str) -> str | None:
    """A Slack channel, by its id."""
    return text if re.fullmatch(r"[CDG][A-Z0-9]{2,}", text) else None


def conversation(text: str) -> str:
    """A Teams conversation by its id, or its name in lower case with hyphens for spaces. Raises ValueError."""
    if not _is_name(text):
        if not _CONVERSATION.fullmatch(text):
            raise ValueError("must be the id of a channel or group chat, such as teams:19:…@thread.tacv2")
        return text
    name = "-".join(text.casefold().split())
    if not _NAME.fullmatch(name) or not name.isprintable():
        what = "must be a name such as teams:finance-approvals, or an id such as teams:19:…@thread.tacv2"
        raise ValueError(f"{what} (if you copy it from a link, replace %3A with : and %40 with @)")
    return name


def _is_name(text: str) -> bool:
    return not text.startswith("19:")


CHATS: Mapping[Surface, ChatWords] = {
    Surface.SLACK: ChatWords(
        channel=slack_channel,
        form=r"slack:[CDG][A-Z0-9]{2,}",
        example="slack:C0123456789",
        place="a channel by its id, such as slack:C0123456789",
        account=r"[UW][A-Z0-9]{2,}",
        account_is="a Slack user id, such as U024BE7LH",
        set_up="Set SLACK_BOT_TOKEN (docs/slack.md)",
        # docs.slack.dev/reference/objects/usergroup-object: ids begin with S
        groups={"slack-usergroup": re.compile(r"S[A-Z0-9]{2,20}")},
    ),
    Surface.TEAMS: ChatWords(
        channel=conversation,
        form=r"teams:[\s\S]+",
        example="teams:finance-approvals",
        place="one of Teams, such as teams:finance-approvals",
        account=GUID.pattern,
        account_is="an Entra object id, such as 6e0c9d0a-0f6f-4c0e-9a51-2f7a0b1c2d3e",
        set_up="Set MicrosoftAppId, MicrosoftAppPassword and MicrosoftAppTenantId (docs/teams.md), or name the"
        " variable of a webhook under workflows,",
        folded=True,
        # learn.microsoft.com/graph/api/resources/group: id is a GUID
        groups={"entra-group": GUID},
        is_named=_is_name,
    ),
}
