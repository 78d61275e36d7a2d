"""A reverse proxy in front of the platform that changes nothing, and tells the bot to look at once.

What passes through it is never altered or held back; what it learns from a run's stream is one thing: that a
poll of the platform is worth it now. It decides nothing, and nothing that it read reaches a card.
"""

from adapters.relay.proxy import Relay, open_relay, serve_relay
from adapters.relay.wake import WAKE_PATH, WakeEndpoint, open_waker

__all__ = ["WAKE_PATH", "Relay", "WakeEndpoint", "open_relay", "open_waker", "serve_relay"]
