"""What `nod check` and `nod init` print, and what they find at the platform."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from adapters.chat.plugin import Finding
from adapters.chat.text import seen
from adapters.settings import SourceAddress
from adapters.sources import open_source
from bot.errors import Forbidden, Unavailable
from bot.ports import utc_now


def print_finding(finding: Finding) -> None:
    """One line, and the fix below it. Control characters of a name do not reach the terminal."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(*finding.mark), Text(seen(finding.what)), sep="")
    if finding.fix is not None:
        console.print(Text(f"  → {seen(finding.fix)}"))


async def platform_finding(address: SourceAddress, *, named: bool = False, can_wait: bool = False) -> Finding:
    """How many requests a platform lists. Where it `can_wait`, one that is down is only advice."""
    what = f"Platform {address.name} at {address.url}" if named else f"Platform {address.url}"
    try:
        async with open_source(address, utc_now, named=named) as source:
            listing = await source.pending()
    except Forbidden as error:
        return Finding(what=f"{what}: {error}", fix=f"Check {address.key_named} and {address.url_named}.")
    except Unavailable as error:
        fix = f"Check {address.url_named}, and that the platform is running."
        return Finding(what=f"{what}: {error}", fix=fix, advice=can_wait)
    return Finding(what=f"{what}: {len(listing.requests)} pending")
