"""Logs are events with bound context: readable at a terminal, JSON lines otherwise. Configured once."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog


def configure_logs(
    form: Literal["auto", "json", "text"],
    *,
    level: int = logging.INFO,
    record: structlog.types.Processor | None = None,
) -> None:
    """Send our events, and the libraries' warnings, to standard error; our events to `record`, too."""
    text = sys.stderr.isatty() if form == "auto" else form == "text"
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks without local variables: those hold tokens and arguments.
    last: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if text
        else structlog.processors.JSONRenderer()
    )
    plain = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    tracebacks = [] if text else [structlog.processors.ExceptionRenderer(plain)]
    structlog.configure(
        processors=[*shared, *([record] if record else []), *tracebacks, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Never DEBUG: slack_sdk and bolt write whole bodies there (reliability.md §6.3).
    root.setLevel(max(level, logging.WARNING))
