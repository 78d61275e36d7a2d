"""The agent platform over HTTP: the client that implements `bot.ports.Source`, and what it reads.

Programs of your own import from `nod`; the names that used to be here go on for one release.
"""

import warnings
from importlib import import_module
from typing import Any

_MOVED = {
    "AuditPage": "adapters.platform.answers",
    "AuditRecord": "adapters.platform.answers",
    "HITLClient": "adapters.platform.hitl",
    "SyncHITLClient": "adapters.platform.hitl",
    "ask_people": "adapters.platform.people",
}


def __getattr__(name: str) -> Any:
    if name not in _MOVED:
        raise AttributeError(f"module 'adapters.platform' has no attribute {name!r}")
    warnings.warn(
        f"from nod import {name}: adapters.platform.{name} goes away", DeprecationWarning, stacklevel=2
    )
    return getattr(import_module(_MOVED[name]), name)
