"""PostgreSQL servers that are not fit for the job are refused at the start, in one line."""

from __future__ import annotations

import asyncio
import shutil
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, make_url

from adapters.store.open import open_store
from bot.errors import ConfigError
from bot.records import NewApproval
from tests.contract.values import a_request, admit, an_approval

PGBOUNCER = shutil.which("pgbouncer")


def no_ring(step: object) -> None:
    """Nobody to wake."""


@pytest.fixture
def database_in(postgres_address: str) -> Iterator[object]:
    """Makes databases in a given encoding; they are dropped afterwards."""
    made: list[str] = []

    def make(encoding: str) -> str:
        name = f"nod_{uuid.uuid4().hex}"
        with psycopg.connect(postgres_address, autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
        made.append(name)
        return make_url(postgres_address).set(database=name).render_as_string(hide_password=False)

    yield make
    with psycopg.connect(postgres_address, autocommit=True) as server:
        for name in made:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
async def test_an_encoding_that_does_not_hold_all_of_unicode_is_refused(
    database_in: object, encoding: str
) -> None:
    """Otherwise the first tool called `send_€_日本` would end the bot, at each start."""
    assert callable(database_in)
    with pytest.raises(ConfigError) as refused:
        async with open_store(database_in(encoding), ring=no_ring, pagers=()):
            pass
    assert f"the database's encoding is {encoding}" in refused.value.what
    assert "UTF8" in refused.value.fix
    assert 1 == len(str(refused.value).splitlines())


async def test_the_client_speaks_utf8_whatever_its_surroundings_say(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`PGCLIENTENCODING` of the environment, or of the server's settings, decides nothing."""
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    name = make_url(postgres_url).database
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} SET client_encoding = 'LATIN1'")
    async with open_store(postgres_url, ring=no_ring, pagers=()) as store:
        approval = an_approval(request=a_request(tool_name="send_€_日本"))
        assert await store.approvals.insert([NewApproval(approval=approval)])
        found = await store.approvals.get("r1")
    assert found is not None
    assert "send_€_日本" == found.request.tool_name


@asynccontextmanager
async def open_pgbouncer(url: str, folder: Path, *, mode: str) -> AsyncIterator[str]:
    """A real pgbouncer in front of the server; yields the address that goes through it."""
    assert PGBOUNCER is not None
    address = make_url(url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder.chmod(0o755)
    (folder / "users.txt").write_text('"postgres" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{address.database} = host={address.query['host']} dbname={address.database}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n"
        f"auth_file = {folder / 'users.txt'}\npool_mode = {mode}\ndefault_pool_size = 20\n"
    )
    server = Path(str(address.query["host"]))  # its socket may be for its own user's eyes only
    user = ("-u", server.owner()) if folder.owner() == "root" else ()
    process = await asyncio.create_subprocess_exec(
        PGBOUNCER, "-q", *user, str(folder / "pgbouncer.ini"),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        writer.close()
        through = URL.create("postgresql", "postgres", host="127.0.0.1", port=port, database=address.database)
        yield through.render_as_string(hide_password=False)
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
def readable_folder(tmp_path: Path) -> Path:
    """A folder that a process of another user can read: pytest's own are private."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    return tmp_path


needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")


@needs_pgbouncer
@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_a_pooler_that_shares_sessions_is_refused(
    postgres_url: str, readable_folder: Path, mode: str
) -> None:
    """The lock that keeps a second bot out would belong to nobody; the message names what to set."""
    async with open_pgbouncer(postgres_url, readable_folder, mode=mode) as url:
        with pytest.raises(ConfigError) as refused:
            async with open_store(url, ring=no_ring, pagers=()):
                pass
    assert "pooler shares sessions" in refused.value.what
    assert "session mode" in refused.value.fix
    assert 1 == len(str(refused.value).splitlines())
    with psycopg.connect(postgres_url, autocommit=True) as server:
        held = server.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    assert (0,) == held


@needs_pgbouncer
async def test_a_pooler_in_session_mode_is_as_good_as_none(postgres_url: str, readable_folder: Path) -> None:
    """Each connection is a session of its own, with the limits that Nod sets."""
    async with (
        open_pgbouncer(postgres_url, readable_folder, mode="session") as url,
        open_store(url, ring=no_ring, pagers=()) as store,
    ):
        await admit(store)
        assert an_approval() == await store.approvals.get("r1")
