"""Nod's own HTTP front: what chats post, health, metrics, and a document of all that."""

from adapters.web.front import front, serve_front
from adapters.web.metrics import Metrics
from adapters.web.receiver import Receiver, Reply

__all__ = ["Metrics", "Receiver", "Reply", "front", "serve_front"]
