"""What a user's program imports, and what the old names say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import adapters.platform
import bot
import nod

ROOT = Path(__file__).parents[2]


def test_the_public_names_are_there() -> None:
    assert all(hasattr(nod, name) for name in nod.__all__)


@pytest.mark.parametrize(
    ("old", "name"),
    [
        *((bot, name) for name in ("HITLDecision", "HITLHandler", "HITLRequest", "HITLResponse")),
        *(
            (adapters.platform, name)
            for name in ("AuditPage", "AuditRecord", "HITLClient", "SyncHITLClient", "ask_people")
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_old_name_goes_on_and_says_the_new_one(old: object, name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"from nod import {name}"):
        assert getattr(nod, name) is getattr(old, name)


def test_the_packages_of_another_distribution_are_named(tmp_path: Path) -> None:
    """A foreign `bot` would answer in place of ours: one line says so, before anything of it runs."""
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot" / "__init__.py").write_text("raise SystemExit('foreign code ran')")
    script = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; sys.path.append({str(ROOT)!r}); import nod"

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False
    )

    assert 1 == done.returncode
    assert "ImportError: nod needs its own package `bot`" in done.stderr.splitlines()[-1]
    assert str(tmp_path / "bot") in done.stderr
