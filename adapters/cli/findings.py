"""What `nod check` and `nod init` find: the platform, the Slack app token, a Teams bot and its places."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from rich.text import Text

from adapters.chat.text import seen
from adapters.http import REACHED, exchange, open_client
from adapters.open_chats import SOCKETS
from adapters.platform.client import open_platform
from adapters.settings import Environment, TeamsSettings
from adapters.slack import Slack
from adapters.store.audit import open_audit_reader
from adapters.teams import Teams
from adapters.teams.conversations import is_service
from adapters.teams.credentials import BotToken
from adapters.teams.teams import MULTI
from bot.errors import ConfigError, Forbidden, Unavailable
from bot.ports import utc_now
from bot.surface import ConversationRef, Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report. `fix` says what to do about it; it must be done unless it is only `advice`."""

    what: str
    fix: str | None = None
    advice: bool = False

    @property
    def mark(self) -> tuple[str, str]:
        """The sign in front and its colour; the sign alone is enough."""
        if self.fix is None:
            return "✓ ", "green"
        return ("! ", "yellow") if self.advice else ("✗ ", "red")


def print_finding(finding: Finding) -> None:
    """One line, and the fix below it. Control characters of a name do not reach the terminal."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(*finding.mark), Text(seen(finding.what)), sep="")
    if finding.fix is not None:
        console.print(Text(f"  → {seen(finding.fix)}"))


async def platform_finding(environment: Environment, *, can_wait: bool = False) -> Finding:
    """How many requests the platform lists. Where it `can_wait`, a platform that is down is only advice."""
    url = environment.aip_api_url
    try:
        async with open_platform(url, environment.aip_api_key.get_secret_value(), clock=utc_now) as platform:
            listing = await platform.pending()
    except Forbidden as error:
        return Finding(what=f"Platform {url}: {error}", fix="Check AIP_API_KEY and AIP_API_URL.")
    except Unavailable as error:
        fix = "Check AIP_API_URL, and that the platform is running."
        return Finding(what=f"Platform {url}: {error}", fix=fix, advice=can_wait)
    return Finding(what=f"Platform {url}: {len(listing.requests)} pending")


ALONE = "Stop the other process, or give it its own Slack app: each takes some of the other's clicks."


async def socket_finding(slack: Slack, app_token: str, *, database_url: str, runs: bool) -> Finding:
    """While the bot `runs`, the number that it recorded: a second socket would take some of its clicks."""
    try:
        if runs:
            await slack.check_app_token(app_token)
            others = await _recorded(database_url)
        else:
            others = await slack.sockets(app_token)
    except (Unavailable, Forbidden) as error:
        return Finding(what=f"Slack: {error}", fix="Check SLACK_APP_TOKEN.")
    if others:
        what = "another process has a socket" if others == 1 else f"other processes have {others} sockets"
        return Finding(what=f"Slack: {what} of SLACK_APP_TOKEN", fix=ALONE)
    return Finding(what="Slack: SLACK_APP_TOKEN opens a socket")


async def _recorded(database_url: str) -> int | None:
    """How many sockets were not the running bot's when it last counted them; None if it never did."""
    try:
        async with open_audit_reader(database_url) as audit_reader:
            row = await audit_reader.last(SOCKETS)
    except ConfigError:  # the report has a separate line for the database
        return None
    return None if row is None else int(json.loads(row.body).get("others", 0))


REGISTRATION = "Copy MicrosoftAppId, MicrosoftAppPassword and MicrosoftAppTenantId from the registration."


async def teams_findings(
    teams: Teams,
    settings: TeamsSettings,
    refs: Sequence[ConversationRef],
    places: Sequence[Destination],
) -> AsyncIterator[Finding]:
    """Everything about Teams that is wrong or works.

    Raises Forbidden when Entra refuses the bot, and Unavailable when Entra or Teams cannot be reached: then
    people cannot be looked up, and their e-mail addresses are not the reason.
    """
    if settings.dangerously_allow_unauthenticated:
        what = "Teams: no authentication; everyone who reaches this machine's port can approve anything"
        yield Finding(what=what, fix="Unset DANGEROUSLY_ALLOW_UNAUTHENTICATED_TEAMS.", advice=True)
    else:
        async with open_client(timeout=REACHED) as client:
            yield await keys_finding(client, settings)
            yield await token_finding(client, settings)
    for ref in refs:
        if not is_service(ref.service_url, settings.cloud.service_hosts):
            host = urlsplit(ref.service_url).hostname
            what = f"Teams: {ref.name or ref.id} is at {host}, which is not in NOD_TEAMS_SERVICE_HOSTS"
            yield Finding(what=what, fix="Add it if it belongs to your cloud.")
    problems = await teams.problems(places)
    for problem in problems:
        yield Finding(what=f"Teams: {problem.where} {problem.what}", fix=f"{problem.fix}.")
    wrong = {problem.where for problem in problems}
    names = {ref.id: f"{ref.name} ({ref.id})" for ref in refs if ref.name}
    well = [names.get(place.channel, str(place)) for place in places if str(place) not in wrong]
    if well:
        yield Finding(what=f"Teams: Nod is in {', '.join(sorted(well))}")


async def token_finding(client: httpx.AsyncClient, settings: TeamsSettings) -> Finding:
    host = urlsplit(settings.cloud.token_url).hostname
    token = BotToken(
        client=client,
        cloud=settings.cloud,
        tenant=None if settings.app_type == MULTI else settings.tenant_id,
        app_id=settings.app_id,
        password=settings.app_password.get_secret_value(),
        seconds=time.monotonic,
    )
    try:
        await token.bearer()
    finally:
        await token.close()
    return Finding(what=f"Teams: signed in at {host}")


async def keys_finding(client: httpx.AsyncClient, settings: TeamsSettings) -> Finding:
    """Whether the keys can be read: without them Nod refuses every click."""
    host = urlsplit(settings.cloud.openid_url).hostname
    try:
        answer = await exchange(client, "GET", settings.cloud.openid_url)
    except Unavailable as error:
        what = f"Teams: the keys at {host}: {error}"
        return Finding(what=what, fix="Check NOD_TEAMS_OPENID_URL and the network.")
    document = answer.json()
    if answer.status != 200 or not isinstance(document, dict) or "jwks_uri" not in document:
        what = f"Teams: {host} has no OpenID document there (HTTP {answer.status})"
        return Finding(what=what, fix="Check NOD_TEAMS_OPENID_URL.")
    return Finding(what=f"Teams: signing keys read from {host}")
