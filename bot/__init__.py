"""The core of Nod: approvals, people and deadlines. It knows no HTTP, no SQL and no chat.

For programs of one's own: `HITLHandler` decides requests; `adapters.platform.HITLClient` reaches the platform.
"""

from bot.handler import HITLHandler
from bot.protocol import HITLDecision, HITLRequest, HITLResponse

__all__ = ["HITLDecision", "HITLHandler", "HITLRequest", "HITLResponse"]

__version__ = "0.1.0"
