"""The notary: signed checkpoints of the audit chain, kept where whoever owns the database cannot reach them."""

from adapters.notary.checkpoint import AuditKey, Checkpoint, NoCheckpoint, What, read_or_make_key
from adapters.notary.notary import Notary, check_rollback, open_notary
from adapters.notary.shelf import Shelf, read_checkpoints, read_shelf

__all__ = [
    "AuditKey",
    "Checkpoint",
    "NoCheckpoint",
    "Notary",
    "Shelf",
    "What",
    "check_rollback",
    "open_notary",
    "read_checkpoints",
    "read_or_make_key",
    "read_shelf",
]
