"""Nod in programs of your own: the client of the platform's approvals, and the handler that decides in code.

    from nod import HITLClient, HITLDecision, HITLHandler, HITLRequest, HITLResponse, ask_people

`nod.testing` has pytest fixtures. Raises ImportError where another distribution has taken a name that Nod uses.
"""

from importlib.util import find_spec
from pathlib import Path


def _check_own_packages() -> None:
    """`bot` and `adapters` are names that other distributions use too; theirs would answer in place of ours."""
    home = Path(__file__).resolve().parents[1]
    for name in ("bot", "adapters", "sandbox"):
        spec = find_spec(name)
        places = [Path(place).resolve() for place in (spec and spec.submodule_search_locations) or ()]
        if home / name not in places[:1]:
            found = places[0] if places else "nowhere"
            raise ImportError(
                f"nod needs its own package `{name}`, but Python finds {found}. "
                "Install Nod in its own environment."
            )


_check_own_packages()

from adapters.platform.answers import AuditPage, AuditRecord  # noqa: E402 - whose packages these are comes first
from adapters.platform.hitl import HITLClient, SyncHITLClient  # noqa: E402
from adapters.platform.people import ask_people  # noqa: E402
from bot import __version__  # noqa: E402
from bot.handler import HITLHandler  # noqa: E402
from bot.protocol import HITLDecision, HITLRequest, HITLResponse  # noqa: E402

__all__ = [
    "AuditPage",
    "AuditRecord",
    "HITLClient",
    "HITLDecision",
    "HITLHandler",
    "HITLRequest",
    "HITLResponse",
    "SyncHITLClient",
    "__version__",
    "ask_people",
]
