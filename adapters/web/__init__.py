"""Nod's own HTTP front: Slack's events, health and metrics."""

from adapters.web.front import Receive, Reply, front, serve_front
from adapters.web.metrics import Metrics

__all__ = ["Metrics", "Receive", "Reply", "front", "serve_front"]
