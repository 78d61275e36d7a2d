"""What `nod check` and `nod init` print, and what they find at the platform."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from adapters.chat.plugin import Finding
from adapters.chat.text import seen
from adapters.platform.client import open_platform
from adapters.settings import Environment
from bot.errors import Forbidden, Unavailable
from bot.ports import utc_now


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
