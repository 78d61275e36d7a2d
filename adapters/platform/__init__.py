"""The agent platform over HTTP: the client that implements `bot.ports.Platform`, and what it reads.

For programs of one's own: `HITLClient`, and `ask_people` for the platform's own handler.
"""

from adapters.platform.audit import AuditPage, AuditRecord
from adapters.platform.face import SyncHITLClient
from adapters.platform.hitl import HITLClient
from adapters.platform.people import ask_people

__all__ = ["AuditPage", "AuditRecord", "HITLClient", "SyncHITLClient", "ask_people"]
