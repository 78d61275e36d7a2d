"""What is shipped is whole: the wheel, the image and the unit agree with the code."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from adapters.settings import Environment

ROOT = Path(__file__).parents[1]
PACKAGES = {"bot", "adapters", "nod", "sandbox"}
SHIPPED = [ROOT / "Dockerfile", ROOT / "deploy/compose.yaml", ROOT / "deploy/nod.service"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--disable-pip-version-check", "--wheel-dir", folder, ROOT], check=True)
    (built,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(built).namelist())


def test_the_wheel_has_everything_that_runs(wheel: set[str]) -> None:
    """Every source and data file of the packages is in it: the page, the migrations, the demo's policy."""
    packages = [path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()]
    needed = {str(path.relative_to(ROOT)) for path in packages if path.suffix != ".pyc"}

    assert set() == needed - wheel
    assert {"sandbox/nod.demo.yaml", "sandbox/page/static/index.html"} <= wheel
    assert {f"{name}/py.typed" for name in PACKAGES} <= wheel
    assert "adapters/store/migrations/versions/0001_first.py" in wheel


def test_the_wheel_has_nothing_else(wheel: set[str]) -> None:
    """No test, no database and no settings of a developer's machine are shipped."""
    assert PACKAGES == {name.split("/")[0] for name in wheel if ".dist-info/" not in name}
    assert {"nod.schema.json", "openapi.json"} == {Path(name).name for name in wheel if name.endswith(".json")}
    assert {".json"} == {Path(name).suffix for name in wheel if name.split("/")[0] in PACKAGES} - {
        ".css", ".html", ".js", ".py", ".svg", ".typed", ".yaml",
    }  # fmt: skip


def test_the_image_builds_with_the_backend_and_all_that_it_needs() -> None:
    """The list in the Dockerfile is hatchling and all it pulls in: a build needs no unpinned package."""
    pins = re.split(r"^(?=[a-z])", (ROOT / "requirements-dev.txt").read_text(), flags=re.MULTILINE)
    pulled = re.compile(r"^    #(?: via)?\s+hatchling$", re.MULTILINE)
    via = {pin.split("==")[0] for pin in pins if pulled.search(pin)}
    listed = re.search(r"\^\(([\w|-]+)\)==", (ROOT / "Dockerfile").read_text())

    assert listed is not None
    assert sorted({"hatchling", *via}) == sorted(listed[1].split("|"))


def test_the_image_runs_as_a_numbered_user() -> None:
    """Orchestrators that insist on a user other than root can see from the number that it is one."""
    assert "\nUSER 10001:10001\n" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_variables_that_are_set_are_variables_that_are_read(path: Path) -> None:
    """No file sets a NOD_ variable that means nothing."""
    known = {str(field.validation_alias) for field in Environment.model_fields.values()}

    assert set() == set(re.findall(r"\bNOD_[A-Z_]+", path.read_text())) - known


def test_the_composed_service_can_write_to_its_volume_only() -> None:
    """The root filesystem is read-only, no capability is left, and nothing listens beyond loopback."""
    service = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]["nod"]

    assert service["read_only"]
    assert ["ALL"] == service["cap_drop"]
    assert ["no-new-privileges:true"] == service["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
