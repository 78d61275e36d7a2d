"""The spool: where an alert is kept while the database cannot take it. Everything here waits for the disk.

One JSON object a line. Within the process one thread at a time works on the file; another process has no
business there, since it is refused at the database.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import structlog

from bot.records import Alert

Key = tuple[str, str]  #: request and cause: what makes two alerts the same one

log = structlog.get_logger()


def key_of(alert: Alert) -> Key:
    """By which an alert is told from others, as in the database."""
    return alert.approval_id, alert.cause


class Spool:
    """Alerts in a file, of each request and cause one. What it holds survives `kill -9` and a loss of power."""

    def __init__(self, path: Path, *, sync: Callable[[int], None] = os.fsync) -> None:
        """`path` need not exist yet; its folder must. `sync` returns when a file is on the disk."""
        self._path, self._sync = path, sync
        self._turn = threading.Lock()

    def put(self, alert: Alert) -> bool:
        """Keep it, unless one with its request and cause is kept already; whether it is on the disk now.

        Never raises for trouble with the disk: that is logged, and what was in the file stays there.
        """
        try:
            with self._turn:
                self._append(alert)
        except OSError as error:
            log.error("alert_not_spooled", cause=alert.cause, path=str(self._path), reason=error.strerror)
            return False
        return True

    def entries(self) -> tuple[Alert, ...]:
        """What is kept, oldest first.

        A line that cannot be read, as a crash leaves one, is left out. Where the file cannot be read at all,
        nothing is known to be kept. Either is logged.
        """
        try:
            with self._turn:
                content = self._content()
        except OSError as error:
            log.error("spool_not_read", path=str(self._path), reason=error.strerror)
            return ()
        alerts = tuple(alert for _, alert in _readable(content))
        if unread := len(content.splitlines()) - len(alerts):
            log.error("spool_lines_skipped", path=str(self._path), lines=unread)
        return alerts

    def clear(self, taken: Iterable[Alert]) -> bool:
        """Forget these, in one step that a crash leaves undone or done; whether it was done.

        A failure is logged; they are then raised once more at the next start.
        """
        gone = {key_of(alert) for alert in taken}
        try:
            with self._turn:
                kept = [line for line, alert in _readable(self._content()) if key_of(alert) not in gone]
                self._replace(kept)
        except OSError as error:
            log.error("spool_not_cleared", path=str(self._path), reason=error.strerror)
            return False
        return True

    def _append(self, alert: Alert) -> None:
        created = not self._path.exists()
        content = self._content()
        if key_of(alert) in {key_of(kept) for _, kept in _readable(content)}:
            return
        whole = content.rfind(b"\n") + 1
        line = _line_of(alert)
        if _alert_of(content[whole:]) is not None:  # only the end of the line is missing
            whole, line = len(content), b"\n" + line
        held = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.ftruncate(held, whole)
            try:
                _write(held, line, at=whole)
            except OSError:
                os.ftruncate(held, whole)  # half a line would be reported as lost at every start
                raise
            self._sync(held)
        finally:
            os.close(held)
        if created:
            self._sync_folder()

    def _content(self) -> bytes:
        return self._path.read_bytes() if self._path.exists() else b""

    def _replace(self, lines: Iterable[bytes]) -> None:
        beside = self._path.with_name(f"{self._path.name}.new")
        held = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            _write(held, b"".join(line + b"\n" for line in lines), at=0)
            self._sync(held)
        finally:
            os.close(held)
        beside.replace(self._path)
        self._sync_folder()

    def _sync_folder(self) -> None:
        """A file's name is safe once its folder is (fsync(2))."""
        held = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._sync(held)
        finally:
            os.close(held)


def _line_of(alert: Alert) -> bytes:
    # ASCII: no text of an alert, however odd, may keep it from being kept.
    value = {
        "approval_id": alert.approval_id,
        "cause": alert.cause,
        "text": alert.text,
        "raised_at": alert.raised_at.isoformat(),
        "mended": alert.resolved,
    }
    return json.dumps(value).encode("ascii") + b"\n"


def _readable(content: bytes) -> Iterator[tuple[bytes, Alert]]:
    for line in content.splitlines():
        if (alert := _alert_of(line)) is not None:
            yield line, alert


def _alert_of(line: bytes) -> Alert | None:
    try:
        value = dict(json.loads(line))
        # `mended` is how the file has always called it; an older release may have written the line.
        resolved, raised_at = value.pop("mended", None), datetime.fromisoformat(value.pop("raised_at"))
        alert = Alert(**value, resolved=resolved, raised_at=raised_at)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    texts = (alert.approval_id, alert.cause, alert.text, alert.resolved or "")
    return alert if all(isinstance(text, str) for text in texts) and alert.raised_at.tzinfo else None


def _write(held: int, content: bytes, *, at: int) -> None:
    while content:
        written = os.pwrite(held, content, at)
        content, at = content[written:], at + written
