"""Nod's own HTTP front: what chats post, health, metrics, and a document of all that."""

from adapters.web.front import Metrics, Receiver, Reply, front, serve_front

__all__ = ["Metrics", "Receiver", "Reply", "front", "serve_front"]
