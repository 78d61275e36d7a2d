"""A team that uses `nod.testing`: its tests in a folder of their own, run as such a team runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLUGIN = 'pytest_plugins = ["nod.testing"]\n'


def run_tests(folder: Path, tests: str, *, conftest: str = "") -> subprocess.CompletedProcess[str]:
    """Their tests, with the plugin and the rest of their conftest.py; how pytest ended."""
    (folder / "conftest.py").write_text(PLUGIN + conftest)
    (folder / "test_flow.py").write_text(tests)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:asyncio", "-p", "no:cacheprovider"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
