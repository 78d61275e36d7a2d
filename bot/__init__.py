"""The core of Nod: approvals, people and deadlines. It knows no HTTP, no SQL and no chat."""

__version__ = "0.1.0"
