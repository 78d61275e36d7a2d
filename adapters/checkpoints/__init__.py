"""Signed checkpoints of the audit chain, kept where the owner of the database cannot reach them."""

from adapters.checkpoints.checkpoint import (
    AuditKey,
    Checkpoint,
    CheckpointLog,
    NoCheckpoint,
    What,
    read_checkpoint_log,
    read_checkpoints,
    read_or_make_key,
)
from adapters.checkpoints.signer import CheckpointSigner, check_rollback, open_checkpoint_signer

__all__ = [
    "AuditKey",
    "Checkpoint",
    "CheckpointLog",
    "CheckpointSigner",
    "NoCheckpoint",
    "What",
    "check_rollback",
    "open_checkpoint_signer",
    "read_checkpoint_log",
    "read_checkpoints",
    "read_or_make_key",
]
