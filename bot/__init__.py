"""The core of Nod: approvals, people and deadlines. It knows nothing of HTTP, SQL or any chat.

Your own programs import from `nod`; the names that used to be here keep working for one release.
"""

import warnings
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_MOVED = {
    "HITLDecision": "bot.protocol",
    "HITLHandler": "bot.handler",
    "HITLRequest": "bot.protocol",
    "HITLResponse": "bot.protocol",
}


def __getattr__(name: str) -> Any:
    if name not in _MOVED:
        raise AttributeError(f"module 'bot' has no attribute {name!r}")
    warnings.warn(f"from nod import {name}; this name goes away", DeprecationWarning, stacklevel=2)
    return getattr(import_module(_MOVED[name]), name)
