"""Logs are events with bound context: readable at a terminal, JSON lines otherwise. Configured once.

What a line says may come from an agent or from the network, and a terminal obeys control characters: so in a
readable line everything that does not print is shown as its code, and no value can begin a line of its own.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Literal, TextIO

import structlog

#: Nod has no events below `info`.
Level = Literal["info", "warning", "error"]
_LEVELS: Mapping[str, int] = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

#: How a library's message begins: plain words. Behind them stand values, or suggestions of many lines.
_WORDS = re.compile(r"[A-Za-z][A-Za-z' ]{0,120}(?![A-Za-z'])")


def configure_logs(
    form: Literal["auto", "json", "text"],
    *,
    level: int | Level = "info",
    record: structlog.types.Processor | None = None,
) -> None:
    """Send our events from this level on, and the libraries' warnings, to standard error.

    `record` gets all of our events, also those below the level: it proves what was approved automatically.
    """
    level = _LEVELS[level] if isinstance(level, str) else level
    text = sys.stderr.isatty() if form == "auto" else form == "text"
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks without local variables: those hold tokens and arguments.
    last: list[structlog.types.Processor] = (
        [_printable, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback)]
        if text
        else [structlog.processors.JSONRenderer(), _without_delete]
    )
    plain = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    tracebacks = [] if text else [structlog.processors.ExceptionRenderer(plain)]
    structlog.configure(
        processors=[*shared, *([record, _from(level)] if record else []), *tracebacks, *last],
        wrapper_class=structlog.make_filtering_bound_logger(min(level, logging.INFO) if record else level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,  # a program may configure logs again, as commands in one process do
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_of_a_library, *shared, *tracebacks],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            use_get_message=False,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Never DEBUG: slack_sdk and bolt write whole bodies there.
    root.setLevel(max(level, logging.WARNING))


def _from(level: int) -> structlog.types.Processor:
    """Lets events of this level and above through."""

    def keep(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        if _LEVELS.get(event["level"], logging.CRITICAL) < level:
            raise structlog.DropEvent
        return event

    return keep


def _of_a_library(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """A library's record as an event: who says it and where, and of its text the words before any value."""
    record: logging.LogRecord = event["_record"]
    words = _WORDS.match(str(record.msg))
    return {
        **event,
        "event": "library_said",
        "library": record.name,
        "where": f"{record.module}:{record.lineno}",
        "words": words[0].strip() if words else "",
    }


def _printable(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Every text in the event, with what does not print as its code."""
    return {_spelled(str(name)): _inside(name, value) for name, value in event.items()}


def _inside(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return _spelled(value)
    if isinstance(value, Mapping):
        return {_spelled(str(key)): _inside("", inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_inside("", inner) for inner in value]
    # What else there is is rendered by its `repr`, which may hold anything; the renderer reads these itself.
    plain = value is None or isinstance(value, bool | int | float) or name in ("exc_info", "stack_info")
    return value if plain else _spelled(repr(value))


def _spelled(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode() for char in text
    )


def _traceback(stream: TextIO, error: structlog.typing.ExcInfo) -> None:
    """The frames and the error, each line indented: none of it can pass for an event."""
    lines = "".join(traceback.format_exception(*error)).split("\n")
    stream.write("\n".join(f"  {_spelled(line)}" for line in lines if line))


def _without_delete(_: Any, __: str, line: Any) -> Any:
    """JSON spells every control character but one."""
    return line.replace("\x7f", "\\u007f") if isinstance(line, str) else line
