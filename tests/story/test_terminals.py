"""Commands at a terminal that cannot show every character: no command ends in a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sampling import sampled

PROGRAM = "import sys; from adapters.cli.commands import main; sys.argv[0] = 'nod'; main()"
POLICY = """
people: {ann: {slack: U0ANN}}
routes:
- {name: 取引, match: {tool: "send_*"}, cards: [slack:C0A], approvers: [ann]}
- {name: default, match: {}, cards: [slack:C0A], approvers: [ann]}
"""


@pytest.mark.parametrize("encoding", sampled(["ascii", "latin-1", "cp1252", "utf-8"], quick=(0,)))
def test_what_the_terminal_cannot_show_is_spelled(tmp_path: Path, encoding: str) -> None:
    """`nod policy test` of a tool and a route with other letters: exit 0, codes in place of the letters."""
    (tmp_path / "nod.yaml").write_text(POLICY, encoding="utf-8")
    request = {
        "request_id": "r1",
        "tool": "send_€_日本",
        "arguments": {"to": "\U0001f642"},
        "agent_id": "ä",
    }
    (tmp_path / "request.json").write_text(json.dumps(request), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "policy", "test", str(tmp_path / "request.json")],
        capture_output=True,
        check=False,
        env={"PYTHONIOENCODING": encoding, "NOD_CONFIG": str(tmp_path / "nod.yaml"), "PATH": ""},
        cwd=Path(__file__).parents[2],
    )
    assert b"Traceback" not in done.stderr
    assert 0 == done.returncode, done.stderr
    assert "\\u53d6\\u5f15" in done.stdout.decode(encoding) or encoding == "utf-8"
