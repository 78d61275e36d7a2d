"""Statements compiled once for a process of the tests, where SQLAlchemy compiles them once for an engine.

Each test opens databases of its own, and compiling took a fifth of the time of those that ask a store.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine


class _Compiled(dict[tuple[Any, ...], Any]):
    """By what a compiled statement depends on; each engine's dialect is an object of its own."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get(_named(key), default)

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        super().__setitem__(_named(key), compiled)


def _named(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *statement = key
    return (type(dialect), dialect.paramstyle, dialect.server_version_info, *statement)


_COMPILED = _Compiled()


def compile_once() -> None:
    """From now on, for every engine."""
    event.listen(Engine, "engine_connect", _share)


def _share(connection: Connection) -> None:
    connection.execution_options(compiled_cache=_COMPILED)
