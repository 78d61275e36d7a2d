"""Slack's ways of saying no, translated once, by code and status, into what to do next (bot.errors).

Codes: the error tables of docs.slack.dev/reference/methods. A code that is in no table counts as Forbidden,
because repeating what Slack refused for a reason that we do not know would not fix it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from adapters.chat.errors import AppRefused, Throttled, TooLarge
from adapters.chat.labels import A_BUG
from adapters.http import place_of, proxy_for, reason, refused
from bot.errors import Forbidden, Gone, NodError, Unanswered, Unavailable

#: What we addressed is not there (any more), or is not ours to change.
GONE = frozenset(
    {
        "message_not_found",
        "no_such_subteam",
        "not_found",  # the modal was closed
        "cant_update_message",
        "edit_window_closed",
        "hash_conflict",  # the modal shows something newer
        "thread_not_found",
        "user_not_found",
        "user_not_visible",
        "users_not_found",
    }
)
#: Too fast, said with HTTP 200.
THROTTLED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
#: Slack itself is in trouble; "some aspect of the operation" may have succeeded (docs: fatal_error).
TROUBLED = frozenset(
    {
        "fatal_error",
        "internal_error",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
    }
)
#: It is not this question: the app itself is refused, whatever it asks (the errors that all methods share).
APP_REFUSED = frozenset(
    {
        "accesslimited",
        "account_inactive",
        "deprecated_endpoint",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "invalid_auth",
        "method_deprecated",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    }
)
#: What an operator does about a refusal that waiting does not fix.
REMEDIES: Mapping[str, str] = {
    "account_inactive": "Reinstall the app and set the new SLACK_BOT_TOKEN",
    "cannot_dm_bot": "This account is a bot: choose a person",
    "channel_not_found": "Correct the channel's id, or invite the bot if the channel is private",
    "expired_trigger_id": "Press the button again",
    "invalid_auth": "Set SLACK_BOT_TOKEN to the token of the installed app",
    "invalid_blocks": A_BUG,
    "is_archived": "Unarchive the channel or choose another one",
    "messages_tab_disabled": "Turn the Messages tab on under App Home, or use Nod's manifest",
    "missing_scope": "Add the scope that Slack names and reinstall the app",
    "msg_blocks_too_long": A_BUG,
    "msg_too_long": A_BUG,
    "not_allowed_token_type": "Set SLACK_BOT_TOKEN to a token that begins with xoxb-",
    "not_authed": "Set SLACK_BOT_TOKEN",
    "not_in_channel": "Invite the bot to the channel",
    "plan_upgrade_required": "This workspace's plan has no user groups: list people in nod.yaml",
    "restricted_action": "Allow the app in the channel's posting permissions",
    "restricted_action_read_only_channel": "Allow the app in the channel's posting permissions",
    "restricted_action_thread_locked": "Unlock the thread",
    "restricted_action_thread_only_channel": "Choose a channel that allows messages outside threads",
    "token_expired": "Turn token rotation off for the app and reinstall it",
    "token_revoked": "Reinstall the app and set the new SLACK_BOT_TOKEN",
    "user_disabled": "This account is deactivated: choose another person",
}

_CODE = re.compile(r"[a-z0-9_]{1,80}")


@contextmanager
def translated(method: str, *, posts: bool = False) -> Iterator[None]:
    """Around one Web API call. With `posts`, an answer that got lost means that it may have happened.

    Raises:
        Unavailable: too fast (`Throttled`), Slack in trouble, no connection.
        Unanswered: a post may be up.
        Gone: a code of GONE.
        Forbidden: every other refusal; `AppRefused` when it is not about what was asked.
    """
    lost = Unanswered if posts else Unavailable
    try:
        yield
    except SlackApiError as error:
        raise _meaning(method, error.response, lost=lost) from error
    except (
        aiohttp.ClientConnectorError,
        aiohttp.ConnectionTimeoutError,
        aiohttp.ClientHttpProxyError,
    ) as error:
        raise Unavailable(f"Slack cannot be reached for {method}: {_unreached(error)}") from error
    except (aiohttp.ClientError, SlackClientError, OSError) as error:  # a TimeoutError is an OSError
        raise lost(f"Slack did not answer {method}: {type(error).__name__}") from error
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        # slack_sdk takes for granted that a body is a JSON object; a proxy's page or list ends here.
        raise lost(f"Slack's answer to {method} could not be read") from error


def _unreached(error: Exception) -> str:
    match error:
        case aiohttp.ClientHttpProxyError():
            url = str(error.request_info.url)
            proxy = place_of(proxy_for(url, os.environ) or "")  # aiohttp does not name it
            return refused(to=place_of(url), proxy=proxy, status=error.status)
        case aiohttp.ClientProxyConnectionError():
            return reason(error, to="Slack", proxy=f"{error.host}:{error.port}")
        case aiohttp.ClientConnectorError():
            return reason(error, to=f"{error.host}:{error.port}", proxy=None)
    return reason(error, to="Slack", proxy=None)


def _meaning(method: str, response: object, *, lost: type[Unavailable]) -> NodError:
    status = int(getattr(response, "status_code", None) or getattr(response, "status", None) or 0)
    headers = getattr(response, "headers", None) or {}
    data = getattr(response, "data", None)
    code = data.get("error") if isinstance(data, dict) else None
    if not (isinstance(code, str) and _CODE.fullmatch(code)):
        code = None
    if status == 429 or code in THROTTLED:
        return Throttled(f"Slack rate limits {method}", asked=headers.get("Retry-After"))
    if code in GONE:
        return Gone(f"Slack refused {method}: {code}")
    if code in TROUBLED or status >= 500 or status == 408 or (code is None and status < 400):
        return lost(f"Slack failed at {method}: {code or f'HTTP {status}'}")
    needed = data.get("needed") if isinstance(data, dict) and code == "missing_scope" else None
    remedy = REMEDIES.get(code or "", "Look up this code on docs.slack.dev")
    named = f" ({needed})" if isinstance(needed, str) else ""
    if code == "msg_blocks_too_long":
        return TooLarge(f"Slack refused {method}: {code}. {remedy}")
    kind = AppRefused if code is None or code in APP_REFUSED else Forbidden
    return kind(f"Slack refused {method}: {code or f'HTTP {status}'}{named}. {remedy}")
