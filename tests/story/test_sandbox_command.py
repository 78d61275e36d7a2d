"""`nod demo` and `nod sandbox`, started as a person starts them: a typing error is named in words."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.servers.shell import start

#: Seconds until a command has ended on a machine that has other work too.
WITHIN = 30.0
PLAIN = {"PATH": os.environ["PATH"], "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}


async def told(folder: Path, *arguments: str) -> tuple[int | None, str]:
    """The exit code and what was said of the mistake."""
    process = await start(*arguments, environment=PLAIN, folder=folder)
    _, err = await asyncio.wait_for(process.communicate(), WITHIN)
    return process.returncode, err.decode()


@pytest.mark.parametrize(("command", "port"), [("demo", "70000"), ("sandbox", "-1")])
async def test_a_port_that_is_none_is_refused(tmp_path: Path, command: str, port: str) -> None:
    """The option is named, with what it takes, and nobody reads a traceback."""
    code, said = await told(tmp_path, command, "--port", port)
    assert code == 2
    assert "--port" in said
    assert "Traceback" not in said


async def test_the_demo_takes_the_next_free_port_and_says_its_address_last(tmp_path: Path) -> None:
    """Where the port is in use it says so; logs stay away, so that the address is the last line, alone."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = await start("demo", "--port", str(port), environment=PLAIN, folder=tmp_path)
        await asyncio.wait_for(demo.shows("\nhttp://"), WITHIN)
        demo.send_signal(signal.SIGINT)
        out, logs = await asyncio.wait_for(demo.communicate(), WITHIN)

    said = out.decode().splitlines()
    assert (demo.returncode, logs) == (0, b"")
    assert said[0].startswith("Starting ")  # before anything is imported: the first start takes a while
    assert said[1].startswith(f"Port {port} is in use. Using ")
    assert ["", "http://127.0.0.1:"] == [said[-2], said[-1].rstrip("0123456789/")]


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """The sandbox keeps its address, which settings name: the port is named, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = await told(tmp_path, "sandbox", "--port", port)
    assert code == 2
    assert f"nod: --port: {port} cannot be used" in said
    assert said.endswith("Choose another.\n")


async def test_a_file_that_cannot_be_written_is_not_the_ports_fault(tmp_path: Path) -> None:
    """What is blamed is the file with the settings, by its path."""
    file = tmp_path / "nowhere" / "nod.env"
    code, said = await told(tmp_path, "sandbox", "--port", "0", "--env-file", str(file))
    assert code == 2
    assert f"nod: --env-file: {file} cannot be written (No such file or directory)" in said


@pytest.mark.parametrize("address", ["127.0.0.1:3000/slack/events", "http://[::1"])
async def test_an_address_for_clicks_that_is_none_is_refused(tmp_path: Path, address: str) -> None:
    """Otherwise the sandbox would start, and each click would be lost."""
    code, said = await told(tmp_path, "sandbox", "--port", "0", "--request-url", address)
    assert code == 2
    assert said.startswith("nod: --request-url must be an address ")
