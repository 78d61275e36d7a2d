"""A socket in the data folder, by which a command on this machine asks the running bot.

Its file has mode 0600, and the kernel says who is at the other end: the bot listens only to
the user that it runs as. One line of JSON asks; lines of JSON answer, each a sentence, the last an exit code.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from bot.errors import ConfigError, NodError

#: Bytes of the path of a socket, by the smallest of the systems (macOS has 104, with the zero behind it).
LONGEST_PATH = 100
#: Bytes of a line, and seconds for a question to be there.
LONGEST_LINE, ASKS_WITHIN = 10_000, 5.0

Tell = Callable[[str], Awaitable[None]]
#: Answers a question: says sentences, and returns the exit code. The event is set when the command has gone.
Answer = Callable[[Mapping[str, Any], Tell, asyncio.Event], Awaitable[int]]

log = structlog.get_logger()


def database_file(database_url: str) -> Path | None:
    """The SQLite file that an address names, as the store reads it; None for any other address."""
    with suppress(ArgumentError):
        url = make_url(database_url)
        if url.get_backend_name() == "sqlite" and url.database:
            return Path(url.database)
    return None


def control_path(database_url: str) -> Path:
    """Beside the SQLite file and named after it, with its ending; without one, in the working folder."""
    file = database_file(database_url)
    return file.with_name(f"{file.name}.sock") if file else Path("nod.sock")


@asynccontextmanager
async def open_control(path: Path, answer: Answer) -> AsyncIterator[None]:
    """Listen until closed. Where that is not possible the bot runs on without it, and the log says so."""
    try:
        listening = _listen(_short(path))
    except OSError as error:
        log.warning("control_socket_not_opened", path=str(path), reason=error.strerror or str(error))
        yield
        return
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            serving.add(task)
            task.add_done_callback(serving.discard)
        with suppress(OSError):
            await _served(reader, writer, answer)
        writer.close()

    server = await asyncio.start_unix_server(serve, sock=listening, limit=LONGEST_LINE)
    try:
        yield
    finally:
        server.close()
        for task in tuple(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        _remove(path)


async def ask_bot(
    path: Path, question: Mapping[str, Any], *, tell: Callable[[str], None], stop: asyncio.Event
) -> int | None:
    """What a running bot answers: the exit code; None where none runs. `stop` withdraws the question.

    Raises ConfigError for a bot of another user, or one that ended meanwhile.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(_short(path), limit=LONGEST_LINE)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except OSError as error:
        what = f"cannot be used ({error.strerror or error})"
        raise ConfigError(str(path), what, "Run this as the user that the bot runs as.") from None
    if not _is_same_user(writer.get_extra_info("socket")):  # in a shared folder anybody can put one there
        writer.close()
        raise ConfigError(str(path), "belongs to another user", "Run this as the user that the bot runs as.")
    writer.write(_line(question))
    stopping = asyncio.create_task(_withdraw(stop, writer))
    try:
        while line := await reader.readline():
            said = json.loads(line)
            if "code" in said:
                return int(said["code"])
            tell(str(said["line"]))
    except (OSError, ValueError):
        pass
    finally:
        stopping.cancel()
        writer.close()
    raise ConfigError(str(path), "the bot's answer ended early", "See the bot's log, then try again.")


async def _withdraw(stop: asyncio.Event, writer: asyncio.StreamWriter) -> None:
    await stop.wait()
    writer.write_eof()


async def _served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    if not _is_same_user(writer.get_extra_info("socket")):
        log.warning("control_refused", reason="another user")
        return

    async def tell(line: str) -> None:
        with suppress(OSError):  # who asked is gone, which the event says
            writer.write(_line({"line": line}))
            await writer.drain()

    gone = asyncio.Event()
    try:
        async with asyncio.timeout(ASKS_WITHIN):
            question = json.loads(await reader.readline())
    except (TimeoutError, ValueError, RecursionError):
        return
    if not isinstance(question, dict):
        return
    watching = asyncio.create_task(_gone(reader, gone))
    try:
        code = await answer(question, tell, gone)
    except NodError as error:
        await tell(f"nod: {error}")
        code = 2 if isinstance(error, ConfigError) else 1
    except Exception as error:
        log.exception("control_failed", error=type(error).__name__)
        code = 1
        await tell("nod: the command failed; the bot's log says why")
    finally:
        watching.cancel()
    writer.write(_line({"code": code}))
    await writer.drain()


async def _gone(reader: asyncio.StreamReader, gone: asyncio.Event) -> None:
    with suppress(OSError, ValueError):
        await reader.read(1)  # there is nothing more to say: it returns when the other side closes
    gone.set()


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"


def _listen(path: str) -> socket.socket:
    """Bound with mode 0600 before anybody can connect. Raises OSError, also where another bot listens, or where
    a file is that is no socket.
    """
    if _answers(path):
        raise OSError("another process listens there")
    if os.path.lexists(path) and not Path(path).is_socket():
        raise OSError("it is not a socket")
    _remove(Path(path))  # left behind by a bot that was killed
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(path)
        Path(path).chmod(0o600)
        listening.listen(8)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trying:
        try:
            trying.connect(path)
        except OSError:
            return False
    return True


def _short(path: Path) -> str:
    """The path in the form that fits into an address. Raises OSError when none does."""
    forms = (str(path), str(path.absolute()), os.path.relpath(path))
    shortest = min(forms, key=len)
    if len(os.fsencode(shortest)) > LONGEST_PATH:
        raise OSError(f"the path is longer than {LONGEST_PATH} bytes")
    return shortest


def _is_same_user(peer: socket.socket) -> bool:
    """By the kernel's word, where it gives one; elsewhere the file's mode alone keeps others out."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, uid, _ = struct.unpack(
        "3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    )
    return bool(uid == os.geteuid())
