"""How Nod reaches others: one rule for what is trusted, one for proxies, one way to say what failed."""

from adapters.outward.client import USUAL, Outward, open_client
from adapters.outward.failures import place_of, reason, refused, told
from adapters.outward.proxies import proxy_for
from adapters.outward.trust import trusted

__all__ = ["USUAL", "Outward", "open_client", "place_of", "proxy_for", "reason", "refused", "told", "trusted"]
