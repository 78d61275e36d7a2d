"""What an environment variable can hold, and what to do about one that is wrong. Pure.

A refusal is a ValueError without the value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from adapters.chat.words import GUID

#: A Slack signing secret is 32 hex digits; anything much shorter is a mistake or a guess.
SHORTEST_SECRET = 16
#: `NOD_SECRET` seals every button: 32 hex digits are 128 bits, which nobody guesses.
SHORTEST_SEAL_SECRET = 32
#: `NOD_WEBHOOK_SECRET` signs what goes to webhooks: as long, for the same reason.
SHORTEST_WEBHOOK_SECRET = 32
#: `NOD_RELAY_TOKEN` makes Nod poll: as long, for the same reason.
SHORTEST_RELAY_TOKEN = 32
#: The current secret and, during a rotation, the one before it.
MOST_SEAL_SECRETS = 2
#: Hosts that plain http may go to: it never leaves the machine.
LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: Characters of an address in nod.yaml.
LONGEST_ADDRESS = 2000
#: Hosts, or tenants, in one list.
MOST_LISTED = 50

#: Nothing that hides: no white space, no backslash, no user and no fragment.
_ADDRESS = re.compile(r"[a-z]+://[A-Za-z0-9.\[\]:-]+([/?][!-\"$-\[\]-~]*)?")
_LABELS = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*\.?|[0-9a-f:]+")
_HOST = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*(:[0-9]{1,5})?")

#: What people write in place of a secret, in letters and digits alone.
_PLACEHOLDERS = (
    "0123456789", "1234567890", "abcdefgh", "changeme", "default", "example", "insecure", "letmein",
    "password", "passwort", "placeholder", "qwertyui", "replaceme", "secret", "yourown",
)  # fmt: skip
#: A random secret of 32 characters has more different ones: of hex digits about 14.
FEWEST_CHARACTERS = 8
#: A text of so many characters or fewer that is written again and again is one that people think up.
LONGEST_REFRAIN = 12
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`"}


def cleaned(text: str) -> str:
    """A value without what env files and editors leave around it: blanks, line ends, a pair of quotes."""
    text = text.strip(" \t\r\n\ufeff\u00a0")
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        return text[1:-1].strip(" \t\r\n")
    return text


def is_plain_http(text: str) -> bool:
    """Whether an address leaves this machine unencrypted."""
    parts = urlsplit(text)
    return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return host in LOOPBACK or ip_address(host).is_loopback
    except ValueError:
        return False


def _hard_to_guess(secret: str) -> None:
    """Raises ValueError, without the secret, for one that a person made up."""
    how = "It must be random text"
    if len(set(secret)) < FEWEST_CHARACTERS:
        raise ValueError(f"has fewer than {FEWEST_CHARACTERS} different characters. {how}")
    refrains = (secret[:size] for size in range(1, LONGEST_REFRAIN + 1))
    if any(secret == (refrain * len(secret))[: len(secret)] for refrain in refrains):
        raise ValueError(f"repeats one short text. {how}")
    letters = "".join(filter(str.isalnum, secret.casefold()))
    if any(word in letters for word in _PLACEHOLDERS):
        raise ValueError(f"contains a placeholder such as changeme. {how}")


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    try:
        urlsplit(text)
    except ValueError:
        raise ValueError("is not a valid URL") from None
    return text


def guarded(text: str) -> str:
    """An address that what is sent to reaches unread and unchanged. Raises ValueError."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("is not a valid URL") from None
    if parts.hostname and parts.scheme == "https":
        return text
    if parts.scheme == "http" and parts.hostname in LOOPBACK:
        return text
    raise ValueError("must begin with https:// (http:// is allowed for this machine)")


def web_address(text: str) -> str:
    """A guarded address in which nothing hides. Raises ValueError."""
    what = "must be an address such as https://host/path, without a user or a fragment"
    if len(text) > LONGEST_ADDRESS or not _ADDRESS.fullmatch(text):
        raise ValueError(what)
    parts = urlsplit(guarded(text))
    try:
        usable = parts.hostname is not None and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not _LABELS.fullmatch(parts.hostname or ""):
        raise ValueError(what)
    return text


def _guarded_secret(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None:
        guarded(secret.get_secret_value())
    return secret


def seal_keys(text: str) -> tuple[str, ...]:
    """One or two secrets, the current one first."""
    return tuple(key.strip(" \t\r\n\"'") for key in text.split(","))


def _seal_secrets(secret: SecretStr | None) -> SecretStr | None:
    if secret is None:
        return None
    keys = seal_keys(secret.get_secret_value())
    if len(keys) > MOST_SEAL_SECRETS:
        raise ValueError(f"contains more than {MOST_SEAL_SECRETS} secrets (separated by commas)")
    if any(len(key) < SHORTEST_SEAL_SECRET for key in keys):
        raise ValueError(f"is too short ({SHORTEST_SEAL_SECRET} characters or more)")
    if len(set(keys)) < len(keys):
        raise ValueError("contains the same secret twice")
    for key in keys:
        _hard_to_guess(key)
    return secret


def _random(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None:
        _hard_to_guess(secret.get_secret_value())
    return secret


def _switch(value: object) -> bool:
    """`true` in any case is on; what is neither on nor off must not pass for either."""
    if isinstance(value, bool):
        return value
    match str(value).strip().casefold():
        case "true":
            return True
        case "false" | "":
            return False
    raise ValueError("must be true or false")


def _api_key(secret: SecretStr | None) -> SecretStr | None:
    """A key goes into a header, into which it must bring nothing else."""
    if secret is not None and not re.fullmatch(r"[!-~]+", secret.get_secret_value()):
        raise ValueError("contains spaces or characters that a key cannot have")
    return secret


def _at_least(characters: int) -> AfterValidator:
    def check(secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < characters:
            raise ValueError(f"is too short ({characters} characters or more)")
        return secret

    return AfterValidator(check)


def _starts_with(prefix: str) -> AfterValidator:
    def check(secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not secret.get_secret_value().startswith(prefix):
            raise ValueError(f"must begin with {prefix}")
        return secret

    return AfterValidator(check)


def listed(text: str | None) -> tuple[str, ...]:
    """A list as a variable has it: in small letters, with commas between, each once."""
    parts = ((text or "").casefold().split(",")) if text else []
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _app_type(value: object) -> object:
    if value == "UserAssignedMSI":
        raise ValueError(
            "is UserAssignedMSI, which exists on Azure's own machines only; Nod signs in with a client secret,"
            " which works anywhere"
        )
    if value not in ("SingleTenant", "MultiTenant"):
        raise ValueError("must be SingleTenant or MultiTenant")
    return value


def _hosts(text: str | None) -> str | None:
    return _each(text, _HOST, "must be hosts such as smba.trafficmanager.net, without scheme and path")


def _tenants(text: str | None) -> str | None:
    return _each(text, GUID, "must be tenant ids such as 8f0a5c62-1f0e-4b5b-9d7e-2b6f3a1c9d10")


def _each(text: str | None, form: re.Pattern[str], what: str) -> str | None:
    if text is None:
        return None
    parts = listed(text)
    if not parts or len(parts) > MOST_LISTED or not all(form.fullmatch(part) for part in parts):
        raise ValueError(what)
    return text


Address = Annotated[str, AfterValidator(_address)]
GuardedAddress = Annotated[str, AfterValidator(guarded)]
#: An address that is a secret itself: anyone who knows it can use it.
GuardedSecret = Annotated[SecretStr | None, AfterValidator(_guarded_secret)]
ApiKey = Annotated[SecretStr | None, AfterValidator(_api_key)]
PlatformKey = Annotated[SecretStr, AfterValidator(_api_key)]
Switch = Annotated[bool, BeforeValidator(_switch)]
SealSecret = Annotated[SecretStr | None, AfterValidator(_seal_secrets)]
SigningSecret = Annotated[SecretStr | None, _at_least(SHORTEST_SECRET)]
WebhookSecret = Annotated[SecretStr | None, _at_least(SHORTEST_WEBHOOK_SECRET), AfterValidator(_random)]
RelayToken = Annotated[
    SecretStr, AfterValidator(_api_key), _at_least(SHORTEST_RELAY_TOKEN), AfterValidator(_random)
]
BotToken = Annotated[SecretStr | None, _starts_with("xoxb-")]
AppToken = Annotated[SecretStr | None, _starts_with("xapp-")]
#: How the bot is registered (learn.microsoft.com/azure/bot-service/bot-service-quickstart-registration).
AppType = Annotated[Literal["SingleTenant", "MultiTenant"], BeforeValidator(_app_type)]
#: Kept as written; `listed` takes it apart.
Hosts = Annotated[str, AfterValidator(_hosts)]
MaybeHosts = Annotated[str | None, AfterValidator(_hosts)]
Tenants = Annotated[str | None, AfterValidator(_tenants)]


FIXES: Mapping[str, str] = {
    "AIP_API_URL": (
        "Set it to the platform's address, for example http://localhost:8000, "
        "or try Nod without an account: nod demo"
    ),
    "AIP_API_KEY": "Set it to the platform's API key.",
    "SLACK_BOT_TOKEN": "Copy the Bot User OAuth Token from your app's OAuth & Permissions page.",
    "SLACK_SIGNING_SECRET": "Copy the Signing Secret from your app's Basic Information page.",
    "SLACK_APP_TOKEN": "Create an app-level token with connections:write, or unset it to use HTTP.",
    "SLACK_API_URL": "Unset it to use slack.com, or set it to a local URL such as http://127.0.0.1:8001.",
    "NOD_SECRET": "Set it to the output of `openssl rand -hex 32`. During a rotation set it to `new,old`.",
    "GLAIP_HITL_AUTO_APPROVE": "Set it to true or false, or unset it.",
    "NOD_AUDIT_WEBHOOK": "Set it to the https URL of a service that stores checkpoints, or unset it.",
    "MicrosoftAppType": "Register the bot as SingleTenant with a client secret, and set it to SingleTenant.",
    "NOD_GRAPH_URL": "Unset it to use the real Microsoft Graph.",
    "NOD_LOGIN_URL": "Unset it to use the real Microsoft login.",
    "NOD_MICROSOFT_CLOUD": "Set it to Public, GCCHigh, DoD or China.",
    "NOD_TEAMS_OPENID_URL": "Unset it for the public cloud, or set it to your cloud's OpenID document.",
    "NOD_TEAMS_TOKEN_URL": "Unset it, or set it to your cloud's token endpoint, with {tenant} for the id.",
    "NOD_TEAMS_SERVICE_HOSTS": "Set it to hosts separated by commas, such as smba.trafficmanager.net.",
    "NOD_TEAMS_TENANTS": "Set it to tenant ids separated by commas, or unset it.",
    "NOD_TEAMS_WEBHOOK_HOSTS": "Set it to hosts separated by commas, or unset it.",
    "DANGEROUSLY_ALLOW_UNAUTHENTICATED_TEAMS": "Unset it; true is for local test clients only.",
    "NOD_WEBHOOK_SECRET": "Set it to the output of `openssl rand -hex 32`, and give it to the receivers.",
    "NOD_PAGERDUTY_URL": "Unset it, or set it to your region's URL: https://events.eu.pagerduty.com.",
    "NOD_OPSGENIE_URL": "Unset it, or set it to your instance's URL, such as https://api.eu.opsgenie.com.",
    "PAGERDUTY_API_KEY": "Set it to a read-only REST API key of PagerDuty, without spaces, or unset it.",
    "OPSGENIE_API_KEY": "Set it to the key of an API integration in Opsgenie, without spaces, or unset it.",
    "NOD_PAGERDUTY_API_URL": "Unset it, or set it to your region's URL, such as https://api.eu.pagerduty.com.",
    "NOD_RELAY_TOKEN": "Set it to the output of `openssl rand -hex 32`, the same for bot and relay.",
    "NOD_HEARTBEAT_URL": "Set it to the https URL of your heartbeat monitor, or unset it.",
    "NOD_ALLOW_PLAIN_HTTP": "Set it to true or false, or unset it.",
    "NOD_PORT": "Set it to a free port between 0 and 65535.",
    "NOD_KEEP_ALIVE": "Set it to more seconds than the proxy in front of Nod keeps idle connections open.",
    "NOD_LOG_FORMAT": "Set it to auto, json or text.",
    "NOD_LOG_LEVEL": "Set it to info, warning or error.",
}
