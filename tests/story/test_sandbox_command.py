"""`nod demo` and `nod sandbox`, started as a person starts them: a slip of the pen is told in words."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest

NOD = Path(sys.executable).with_name("nod")


def told(*arguments: str) -> tuple[int, str]:
    """The exit code and what was said of the mistake."""
    plain = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
    done = subprocess.run([NOD, *arguments], env=plain, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(("command", "port"), [("demo", "70000"), ("sandbox", "-1")])
def test_a_port_that_is_none_is_refused(command: str, port: str) -> None:
    """The option is named, with what it takes, and nobody reads a traceback."""
    code, said = told(command, "--port", port)
    assert code == 2
    assert "--port" in said
    assert "Traceback" not in said


def test_the_demo_takes_the_next_free_port_and_says_its_address_last() -> None:
    """Where the port is in use it says so; logs stay away, so that the address is the last line, alone."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [NOD, "demo", "--port", str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
            assert demo.stdout is not None
            said = list(takewhile(lambda line: not line.startswith("http"), demo.stdout))
            demo.send_signal(signal.SIGINT)
            rest, logs = demo.communicate(timeout=20)

    assert (demo.returncode, rest, logs) == (0, "", "")
    assert said[0].startswith(f"Port {port} is in use. Using ")
    assert said[-1] == "\n"


def test_a_port_that_is_taken_is_told() -> None:
    """The sandbox keeps its address, which settings name: the port is named, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = told("sandbox", "--port", port)
    assert code == 2
    assert f"nod: --port: {port} cannot be used" in said
    assert said.endswith("Choose another.\n")


def test_a_file_that_cannot_be_written_is_not_the_ports_fault(tmp_path: Path) -> None:
    """What is blamed is the file with the settings, by its path."""
    file = tmp_path / "nowhere" / "nod.env"
    code, said = told("sandbox", "--port", "0", "--env-file", str(file))
    assert code == 2
    assert f"nod: --env-file: {file} cannot be written (No such file or directory)" in said


@pytest.mark.parametrize("address", ["127.0.0.1:3000/slack/events", "http://[::1"])
def test_an_address_for_clicks_that_is_none_is_refused(address: str) -> None:
    """Otherwise the sandbox would start, and each click would be lost."""
    code, said = told("sandbox", "--port", "0", "--request-url", address)
    assert code == 2
    assert said.startswith("nod: --request-url must be an address ")
