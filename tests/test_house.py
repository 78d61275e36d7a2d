"""The house rules, as tests: structure, types, style, and files that must agree with one another."""

import ast
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
#: The longest file that is still read in one sitting, in lines.
LONGEST_FILE = 400


def run(*command: str) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name(command[0])
    return subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("lint-imports", "--no-cache"),
    ],
    ids=lambda command: " ".join(command),
)
def test_tool_is_content(command: tuple[str, ...]) -> None:
    """Lint, format, strict types and the import contracts hold for the whole tree."""
    result = run(*command)

    assert 0 == result.returncode, result.stdout + result.stderr


def sources() -> list[Path]:
    return sorted(
        path for room in ("bot", "adapters", "nod", "sandbox") for path in (ROOT / room).rglob("*.py")
    )


def test_files_stay_small() -> None:
    """No source file is longer than one sitting."""
    assert [] == [str(path) for path in sources() if path.read_text().count("\n") > LONGEST_FILE]


def test_every_module_says_what_it_is_for() -> None:
    """Every module begins with a docstring."""
    silent = [str(p) for p in sources() if p.read_text() and not ast.get_docstring(ast.parse(p.read_text()))]

    assert [] == silent


def test_no_switch_leads_around_the_slack_signature() -> None:
    """Bolt's own switch for skipping request verification is nowhere in the code."""
    found = [str(path) for path in sources() if "request_verification_enabled" in path.read_text()]

    assert [] == found


def test_requirements_are_pinned_with_hashes_and_name_no_index() -> None:
    """A fresh machine installs exactly these files, from whatever index it is set up with."""
    for path in (*ROOT.glob("requirements*.txt"), ROOT / "tests/sdk/requirements.txt"):
        text = path.read_text()
        pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]

        assert "://" not in text
        assert all("==" in pin for pin in pins), path
        assert len(pins) <= text.count("--hash=sha256:")


def test_properties_share_one_profile() -> None:
    """No property fails because the machine is busy, CI repeats its examples, and none are kept on the disk."""
    own = [
        str(p)
        for p in ROOT.glob("tests/**/*.py")
        if "deadline=None" in p.read_text() and p.name != "conftest.py"
    ]

    assert None is settings.default.deadline
    assert None is settings.default.database
    assert settings.default.derandomize is bool(os.environ.get("CI"))
    assert [__file__] == own


def _imports(name: str, modules: dict[str, Path]) -> set[str]:
    """Which of these modules one imports when it is imported itself."""
    found: set[str] = set()
    for node in ast.parse(modules[name].read_text()).body:
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                inner = {f"{module}.{alias.name}" for alias in names} & modules.keys()
                found |= inner | ({module} & modules.keys() if len(inner) < len(names) else set())
            case ast.Import(names=names):
                found |= {alias.name for alias in names} & modules.keys()
    return found - {name}


def test_no_module_imports_itself_by_a_detour() -> None:
    """No import cycles: each module can be read without those that need it."""
    modules: dict[str, Path] = {}
    for path in sources():
        parts = path.relative_to(ROOT).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path

    assert [] == _cycle({name: _imports(name, modules) for name in modules})


def _cycle(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import one another in a circle, the first one again at the end."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


#: Imports inside functions that stay there, each with the reason.
LATE_IMPORTS = {
    "adapters/oncall/unfold.py:main": "`resource` is not there on Windows, and only bounds memory on Linux",
    "adapters/teams/teams.py:open_teams": "the SDK of Teams and all that it needs: only where Teams is set up",
    "adapters/teams/teams.py:_gate": "PyJWT, likewise",
    "adapters/store/open.py:_opener": "psycopg: only where PostgreSQL is set up",
    "adapters/cli/frame.py:end": "the event loop and the log: only where a command runs",
}
#: In these files each command imports its own work, so that `--help` imports none (test_command_line.py).
DECLARATIONS = ("adapters/cli/commands.py", "adapters/cli/subcommands.py")


def test_imports_stand_at_the_top() -> None:
    """What a module needs is read in its first lines, and a walk through Nod pays for no import."""
    found = {
        f"{path.relative_to(ROOT)}:{function.name}"
        for path in sources()
        if path.relative_to(ROOT).parts[0] != "sandbox" and str(path.relative_to(ROOT)) not in DECLARATIONS
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function))
    }

    assert LATE_IMPORTS.keys() == found
