"""The pages say what the code does: names, keys, codes, links and examples agree in both directions."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel

from adapters.cli.commands import app
from adapters.settings import Environment, policy_file, read_policy_file
from bot.errors import Refusal
from bot.flow.deliver import UNDELIVERABLE, UNDELIVERED
from bot.flow.show import NO_CARD

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CONFIGURATION, REFUSALS, OPERATIONS = (
    ROOT / "docs" / name for name in ("configuration.md", "refusals.md", "operations.md")
)
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
#: A picture that is larger makes the page slow to open on a phone, in bytes.
LARGEST_PICTURE = 200_000

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", page.read_text())


def section(page: Path, title: str) -> str:
    """What stands between a heading and the next one of the same or a higher level."""
    text = prose(page)
    start = next(found for found in HEADING.finditer(text) if found[2] == title)
    ends = (found.start() for found in HEADING.finditer(text, start.end()) if len(found[1]) <= len(start[1]))
    return text[start.end() : next(ends, len(text))]


def rows(text: str) -> dict[str, list[str]]:
    """The tables' rows by their first code word; the other cells without their code marks."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| `"):
            found[cells[0].split("`")[1]] = [cell.replace("`", "") for cell in cells[1:]]
    return found


def anchors(page: Path) -> set[str]:
    """The names by which a page's headings can be linked to, as GitHub makes them."""
    titles = (found[2] for found in HEADING.finditer(prose(page)))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def examples() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, (kind, text) in enumerate(FENCE.findall(page.read_text())):
            if kind == "yaml":
                yield f"{page.name}-{number}", text


def test_the_table_of_variables_is_the_environment() -> None:
    """Every variable that is read is in the README, with its default, and no other."""
    table = rows(section(README, "Environment"))
    fields = {str(field.validation_alias): field for field in Environment.model_fields.values()}

    assert sorted(fields) == sorted(table)
    for name, field in fields.items():
        if field.default is None:
            assert "none" in table[name][0] or "required" in table[name][0]
        else:
            assert ("required" if field.is_required() else str(field.default)) == table[name][0]


@pytest.mark.parametrize(
    ("title", "model"),
    [
        ("Top level", policy_file._File),
        ("people", policy_file._Person),
        ("routes", policy_file._Route),
        ("match", policy_file._Match),
        ("ladder", policy_file._Rung),
    ],
)
def test_every_key_of_the_policy_file_has_its_row(title: str, model: type[BaseModel]) -> None:
    """Every key that is taken is in the reference, said to be required exactly when it is, and no other."""
    table = rows(section(CONFIGURATION, title).split("\n### ")[0])

    assert sorted(model.model_fields) == sorted(table)
    assert {name: field.is_required() for name, field in model.model_fields.items()} == {
        name: "required" in cells[1] for name, cells in table.items()
    }


def test_every_refusal_has_its_section() -> None:
    """Each code is an anchor that says what is seen, why, and what to do."""
    text = prose(REFUSALS)

    assert sorted(code.value for code in Refusal) == sorted(
        f[2] for f in HEADING.finditer(text) if f[1] == "##"
    )
    for code in Refusal:
        said = section(REFUSALS, code.value)
        assert all(f"- **{word}:**" in said for word in ("What you see", "Why", "What to do"))


def test_refusals_are_quoted_as_they_are_said() -> None:
    """Where a refusal is one fixed sentence, the page quotes that sentence."""
    quoted = 0
    for path in (ROOT / "bot").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Name(id="Refused"), args=[ast.Attribute(attr=code), ast.Constant(value=said)]
                ):
                    assert f'"{said}"' in section(REFUSALS, Refusal[code].value)
                    quoted += 1

    assert quoted > 5


def test_every_command_and_option_is_in_the_readme() -> None:
    """The table has each command of the command line with each of its options, and no other."""
    table = [line for line in section(README, "Commands").splitlines() if line.startswith("| `nod ")]
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # it is a group

    assert sorted(commands) == sorted({line.split("`")[1].split()[1] for line in table})
    for name, command in commands.items():
        lines = " ".join(line for line in table if line.startswith(f"| `nod {name}"))
        options = {option for parameter in command.params for option in parameter.opts if option[0] == "-"}
        assert options - {"--help"} == set(re.findall(r"--[a-z-]+", lines))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file that is there, and an anchor that it has."""
    for target in LINK.findall(prose(page)):
        name, _, anchor = target.partition("#")
        if "://" not in target:
            linked = (page.parent / name).resolve() if name else page
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("text", [text for _, text in examples()], ids=[name for name, _ in examples()])
def test_examples_load(tmp_path: Path, text: str) -> None:
    """Whoever copies an example of nod.yaml gets one that Nod takes."""
    path = tmp_path / "nod.yaml"
    path.write_text(text)

    assert read_policy_file(path).policy.routes


def logged() -> dict[str, set[str]]:
    """The levels at which each event of the bot is logged, by its name."""
    levels: dict[str, set[str]] = {}
    sources = [*(ROOT / "bot").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")]
    for path in sources:
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log"), attr=level),
                    args=[ast.Constant(value=str(event))],
                ):
                    levels.setdefault(event, set()).add("error" if level == "exception" else level)
    return levels


def test_the_table_of_events_is_what_is_logged() -> None:
    """Every event in the table exists at that level, and every warning and error is in the table."""
    table: dict[str, str] = {}
    for line in section(OPERATIONS, "Logs").splitlines():
        if line.startswith("| `"):
            names, level = line.split(" | ")[:2]
            table |= dict.fromkeys(re.findall(r"`(\w+)`", names), level)
    levels = logged()

    assert {} == {event: level for event, level in table.items() if {level} != levels.get(event)}
    assert [] == sorted(event for event in levels if levels[event] - {"info"} and event not in table)


def test_every_alert_has_its_section() -> None:
    """Whoever is paged finds what to do under the alert's cause."""
    sections = {found[2] for found in HEADING.finditer(section(OPERATIONS, "Alerts"))}
    flow = "".join(path.read_text() for path in (ROOT / "bot/flow").glob("*.py"))

    assert {UNDELIVERABLE, UNDELIVERED, NO_CARD, "changed"} == sections
    assert {"changed"} == set(re.findall(r'cause="([\w-]+)"', flow))


def test_the_changelog_has_a_place_for_what_comes() -> None:
    """What changed since the last release is under Unreleased."""
    assert "unreleased" in anchors(ROOT / "CHANGELOG.md")


def test_the_picture_is_small() -> None:
    """The README's picture is a PNG that loads quickly."""
    picture = (ROOT / "docs/card.png").read_bytes()

    assert picture.startswith(b"\x89PNG\r\n")
    assert len(picture) < LARGEST_PICTURE
