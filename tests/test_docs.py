"""The pages say what the code does: names, keys, codes, links and examples agree in both directions."""

import ast
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from prometheus_client import Counter
from pydantic import BaseModel

from adapters.checkpoints import CheckpointLog, open_checkpoint_signer, read_or_make_key
from adapters.cli.audit_export import FIELDS
from adapters.cli.commands import app
from adapters.metrics import FAMILIES, PrometheusMetrics
from adapters.pagers.services import signature_of
from adapters.settings import Environment, conversion, models, read_policy_file
from adapters.settings.lines import parse_yaml
from adapters.settings.models import json_schema
from adapters.store.open import open_store
from bot import matching, policy
from bot.alerts import KINDS
from bot.audit import Fact
from bot.errors import Refusal
from bot.flow import check, decide
from bot.ports import NO_METRICS
from bot.protocol import Json

ROOT = Path(__file__).parents[1]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
README = ROOT / "README.md"
ARCHITECTURE, POLICY, REFERENCE, REFUSALS, OPERATIONS, ALERTS, AUDIT = (
    ROOT / "docs" / f"{name}.md"
    for name in ("architecture", "policy", "reference", "refusals", "operations", "alerts", "audit")
)
PAGES = [README, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
#: A picture that is larger makes the page slow to open on a phone, in bytes.
LARGEST_PICTURE = 200_000

#: Values for the examples' variables, where not just any key will do.
VALUES = {"OPS_FLOW_URL": "https://x.environment.api.powerplatform.com:443/workflows/x?sig=y"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
#: A file of the project that a page names.
NAMED_FILE = re.compile(r"`((?:bot|adapters|nod|sandbox|tests|benchmarks|deploy)/[\w./-]*)`")
#: A page that code cites: its name alone, or with `#anchor`, or with a comma and the title of a section.
CITED = re.compile(r"([\w./-]+\.md)\b(?:#([\w-]+)|, ([^().;,]+))?")
#: Lines of a glossary that is still read in one go.
LONGEST_GLOSSARY = 80
#: Lines of the page that says how Nod is built.
LONGEST_ARCHITECTURE = 250


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", page.read_text())


def section(page: Path, title: str) -> str:
    """The text between a heading and the next one of the same or a higher level."""
    text = prose(page)
    start = next(found for found in HEADING.finditer(text) if found[2] == title)
    ends = (found.start() for found in HEADING.finditer(text, start.end()) if len(found[1]) <= len(start[1]))
    return text[start.end() : next(ends, len(text))]


def rows(text: str) -> dict[str, list[str]]:
    """The tables' rows, or the list's lines, by their first code word; the rest without its code marks."""
    found = {}
    for line in text.splitlines():
        if line.startswith("- `"):
            name, _, rest = line.removeprefix("- ").partition(": ")
            cells = [name, rest]
        else:
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith(("| `", "- `")):
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
    """Every variable that is read is in the reference, with its default, and no other."""
    table = rows(section(REFERENCE, "Environment"))
    fields = {str(field.validation_alias): field for field in Environment.model_fields.values()}

    assert sorted(fields) == sorted(table)
    for name, field in fields.items():
        (said,) = table[name]
        default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        assert said.startswith("Required") == (field.is_required() or name == "NOD_SECRET")
        assert field.is_required() or field.default is None or said.startswith(f"{default}. ")


@pytest.mark.parametrize(
    ("title", "model"),
    [
        ("Top level", models.FileText),
        ("people", models.PersonText),
        ("routes", models.RouteText),
        ("ladder", models.RungText),
        ("hours", models.HoursText),
        ("oncall", models.OnCallText),
        ("overrides", models.OverrideText),
        ("deny", models.DenyText),
        ("automatic", models.AutomaticText),
        ("redact", models.RedactText),
        ("delegations", models.DelegationText),
    ],
)
def test_every_key_of_the_policy_file_has_its_row(title: str, model: type[BaseModel]) -> None:
    """Every key that is taken is in the reference, said to be required exactly when it is, and no other."""
    table = rows(section(REFERENCE, title))

    fields = {field.alias or name: field for name, field in model.model_fields.items()}

    assert sorted(fields) == sorted(table)
    assert {name: field.is_required() for name, field in fields.items()} == {
        name: ", required." in cells[0] for name, cells in table.items()
    }


def test_every_condition_of_a_match_has_its_row() -> None:
    """Conditions have no model of their own: those that are taken are in the reference, and no other."""
    table = rows(section(REFERENCE, "match"))

    assert sorted([*matching.NAMES, f"{conversion._ARGUMENTS}<path>", "not"]) == sorted(table)


def test_every_refusal_has_its_section() -> None:
    """Each code is an anchor that says what is seen, why, and what to do."""
    text = prose(REFUSALS)

    assert sorted(code.value for code in Refusal) == sorted(
        f[2] for f in HEADING.finditer(text) if f[1] == "##"
    )
    for code in Refusal:
        said = section(REFUSALS, code.value)
        assert all(f"- **{word}:**" in said for word in ("You see", "Why", "Do"))


def test_refusals_are_quoted_as_they_are_said() -> None:
    """Where a refusal is one fixed sentence, written there or as a constant, the page quotes that sentence."""
    quoted, fixed = 0, {**vars(policy), **vars(check), **vars(decide)}
    for path in (ROOT / "bot" / "policy.py", *(ROOT / "bot" / "flow").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="Refused"), args=[ast.Attribute(attr=code), said]):
                    sentence = said.value if isinstance(said, ast.Constant) else None
                    sentence = fixed.get(said.id) if isinstance(said, ast.Name) else sentence
                    if isinstance(sentence, str):
                        assert f'"{sentence}"' in " ".join(section(REFUSALS, Refusal[code].value).split())
                        quoted += 1

    assert quoted > 20


def commands_of(commands: Mapping[str, Any]) -> dict[str, set[str]]:
    """Each command by its full name, with its options."""
    found: dict[str, set[str]] = {}
    for name, command in commands.items():
        if hasattr(command, "list_commands"):
            found |= {f"{name} {inner}": options for inner, options in commands_of(command.commands).items()}
        else:
            # One that every command takes is told once, above the table.
            own = (parameter for parameter in command.params if parameter.expose_value)
            options = {option for parameter in own for option in parameter.opts}
            found[name] = {option for option in options if option.startswith("-")} - {"--help"}
    return found


def test_every_command_and_option_is_in_the_reference() -> None:
    """The table has each command of the command line with each of its options, and no other."""
    table = [
        line.split("`")[1] for line in section(REFERENCE, "Commands").splitlines() if line.startswith("| `nod ")
    ]
    written: dict[str, set[str]] = {}
    for usage in table:
        words = usage.split()[1:]
        name = " ".join(words[: 2 if words[0] in ("audit", "policy") else 1])
        written.setdefault(name, set()).update(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", usage))

    assert commands_of(COMMANDS) == written


def test_the_glossary_gives_each_word_a_sentence() -> None:
    """Each line is a word, the field's term where that is another, and one sentence; the page is short."""
    page = ROOT / "docs" / "glossary.md"
    lines = [line for line in page.read_text().splitlines() if line.startswith("- ")]
    words = [
        found[1] for line in lines if (found := re.match(r"- \*\*(.+?)\*\*(?: \(.+?\))?: [A-Z*].+\.$", line))
    ]

    assert page.read_text().count("\n") <= LONGEST_GLOSSARY
    assert len(words) == len(lines) == len(set(words)) > 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file that is there, and an anchor that it has."""
    for target in LINK.findall(prose(page)):
        name, _, anchor = target.partition("#")
        if "://" not in target:
            linked = (page.parent / name).resolve() if name else page
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    """Who looks for the code or the test behind a sentence finds it."""
    assert [] == [name for name in NAMED_FILE.findall(page.read_text()) if not (ROOT / name).exists()]


def test_every_guarantee_names_its_test() -> None:
    """Each promise and each fault ends with a link to the test that shows it."""
    promises = (ROOT / "docs" / "guarantees.md").read_text().partition("## ")[2]
    lines = [line for line in promises.splitlines() if line.startswith("- ")]

    assert len(lines) > 50
    assert [] == [
        line for line in lines if not re.search(r": (\[test_\w+\.py\]\(\.\./tests/[^)]+\)(, )?)+$", line)
    ]


def cited() -> Iterator[tuple[str, str, str, str]]:
    """Each page that the code cites: by which file, the page, and the anchor or section, empty if none."""
    for room in ("bot", "adapters", "nod", "sandbox", "benchmarks"):
        for path in sorted((ROOT / room).rglob("*.py")):
            text = re.sub(r"\s*\n\s*(?:#:? ?)?", " ", path.read_text())
            for name, anchor, title in CITED.findall(text):
                yield str(path.relative_to(ROOT)), name, anchor, title.strip()


def test_pages_that_the_code_cites_are_there() -> None:
    """A comment, docstring or message names a page of `docs/` or of the top, and a section that it has."""
    dangling = []
    for where, name, anchor, title in cited():
        page = next((found for found in (ROOT / name, ROOT / "docs" / name) if found.exists()), None)
        titles = {found[2] for found in HEADING.finditer(prose(page))} if page else set()
        if page is None or (anchor and anchor not in anchors(page)) or (title and title not in titles):
            dangling.append((where, name, anchor or title))

    assert [] == dangling


@pytest.mark.parametrize("text", [text for _, text in examples()], ids=[name for name, _ in examples()])
def test_examples_load(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An example of nod.yaml, copied and with its variables set, is a policy that Nod takes."""
    for name in re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setenv(name, VALUES.get(name, "5f0c2d9ab81e4736" * 2))
    path = tmp_path / "nod.yaml"
    path.write_text(text)

    assert read_policy_file(path).policy.routes
    jsonschema.validate(parse_yaml(text.encode(), path)[0], json_schema(), jsonschema.Draft7Validator)


def sources() -> dict[Path, str]:
    """What the `nod` command consists of: each module that is imported by name, from it on; not the sandbox."""
    found: dict[Path, str] = {}
    waiting = ["adapters.cli.commands"]
    while waiting:
        path = ROOT / waiting.pop().replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path in found or not path.exists() or "sandbox" in path.parts:
            continue
        found[path] = path.read_text()
        for node in ast.walk(ast.parse(found[path])):
            match node:
                case ast.ImportFrom(module=str(module), names=names):
                    waiting += [module, *(f"{module}.{name.name}" for name in names)]
                case ast.Import(names=names):
                    waiting += [name.name for name in names]
    return found


def logged() -> dict[str, set[str]]:
    """The levels at which each event of the bot is logged, by its name."""
    levels: dict[str, set[str]] = {}
    for text in sources().values():
        for node in ast.walk(ast.parse(text)):
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
    for level in ("info", "warning", "error"):
        for line in section(REFERENCE, level.capitalize()).splitlines():
            if line.startswith("- `"):
                table |= dict.fromkeys(re.findall(r"`(\w+)`", line.partition(": ")[0]), level)
    levels = logged()

    assert {} == {event: level for event, level in table.items() if {level} != levels.get(event)}
    assert [] == sorted(event for event in levels if levels[event] - {"info"} and event not in table)


def test_every_alert_has_its_section() -> None:
    """A paged person finds what to do under the alert's cause, and what it is about in the table above."""
    named = set(KINDS)
    told = prose(ALERTS)
    cells = [line.split(" | ")[0] for line in told.splitlines() if line.startswith("| `")]
    table = {cause.rstrip("-") for cell in cells for cause in re.findall(r"`([a-z-]+)", cell)}

    assert named == {found[2] for found in HEADING.finditer(told) if found[1] == "##"}
    assert named == table


def test_every_metric_is_in_the_table_with_its_labels() -> None:
    """Nothing that the page names is missing at `/metrics`, and the other way round."""
    metrics = PrometheusMetrics()
    names = {
        f"nod_{name}{'_total' if family.kind is Counter else ''}": family for name, family in FAMILIES.items()
    }
    told = rows(prose(ROOT / "docs" / "metrics.md"))

    assert {*names, "nod_events_total"} == told.keys()
    assert {name: list(family.labels) for name, family in names.items()} == {
        name: [label for label in told[name][0].split(", ") if label != "–"] for name in names
    }
    assert "process_open_fds" in PrometheusMetrics(process=True).exposition()[0].decode()
    assert "process_open_fds" not in metrics.exposition()[0].decode()


def test_every_kind_of_row_is_in_the_table() -> None:
    """A reader of the audit finds what each kind of row means, and no kind that does not exist."""
    kinds: set[str] = set()
    for path in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")]:
        text = path.read_text()
        for names in re.findall(r'(?:\bkind ?= ?|\b_fact\(\s*)"([a-z_]+)"(?: if \w+ else "([a-z_]+)")?', text):
            kinds |= set(names) - {""} if "Fact(" in text else set()
    table = section(AUDIT, "What a row holds").partition("| kind |")[2]

    cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]

    assert sorted(kinds) == sorted(name for cell in cells for name in re.findall(r"`(\w+)`", cell))


def test_the_exported_fields_are_in_the_table() -> None:
    """A reader of an export finds each of its fields, and no other."""
    cells = [line.split(" | ")[0] for line in section(AUDIT, "nod audit export").splitlines()]
    named = [name for cell in cells if cell.startswith("| `") for name in re.findall(r"`(\w+)`", cell)]

    assert sorted(FIELDS) == sorted(named)


async def keep_an_audit(database: Path, *, lines: Path, key: Path) -> None:
    """Seven rows, of which three are retired, and a checkpoint of the end."""
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)

    def clock() -> datetime:
        return noon + timedelta(hours=1)

    async with (
        open_store(f"sqlite:///{database}", ring=lambda _: None, pagers=(), clock=clock) as store,
        open_checkpoint_signer(
            chain=store.journal,
            alerts=store.alerts,
            key_path=key,
            checkpoint_log=CheckpointLog(path=lines),
            webhook=None,
            clock=clock,
            metrics=NO_METRICS,
        ) as signer,
    ):
        for number in range(1, 8):
            body: dict[str, Json] = {"text": f'\x01\x7f\u2028 "é" {number}', "number": number, "share": 0.5}
            await store.journal.note(Fact(kind="noted", at=noon + timedelta(seconds=number), body=body))
            if number == 3:
                await signer.round()
        await store.journal.retire(noon + timedelta(seconds=4), vouch=signer.retire)
        await signer.round()


async def test_an_outsider_can_verify_the_audit_with_the_page_alone(tmp_path: Path) -> None:
    """The script on the page accepts an honest chain with its checkpoints, and names a row that was edited."""
    (script,) = (text for kind, text in FENCE.findall(AUDIT.read_text()) if kind == "python")
    (tmp_path / "verify.py").write_text(script)
    database, lines, key = tmp_path / "nod.db", tmp_path / "checkpoints.jsonl", tmp_path / "key"
    await keep_an_audit(database, lines=lines, key=key)

    def told() -> str:
        command = [sys.executable, "verify.py", database.name, lines.name, read_or_make_key(key).public]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.stdout.strip() or done.stderr.strip()

    assert "8 rows are valid" == told()
    content = database.read_bytes()
    database.write_bytes(content.replace(b'"number":6,', b'"number":9,'))
    assert "row 6 does not hold" == told()


def test_a_receiver_can_verify_a_webhook_with_the_page_alone() -> None:
    """The function on the page accepts what Nod signs now, and nothing older, forged or malformed."""
    (script,) = (
        text for kind, text in FENCE.findall(OPERATIONS.read_text()) if kind == "python" and "hmac" in text
    )
    scope: dict[str, Any] = {}
    exec(script, scope)
    verified = scope["verified"]
    now, body, secret = str(int(time.time())), b'{"event":"alert"}', "fedcba9876543210" * 2

    def signed(timestamp: str) -> str:
        return signature_of(body, timestamp=timestamp, secret=secret)

    assert verified(body, now, signed(now), secret)
    assert not verified(body + b" ", now, signed(now), secret)
    assert not verified(body, now, signed(now), secret[::-1])
    assert not verified(body, "1767323045", signed("1767323045"), secret)
    assert not verified(body, "soon", signed(now), secret)
    assert not verified(body, now, "v1=é", secret)
    assert signed("1767323045") in section(OPERATIONS, "Webhooks")


def test_the_map_of_the_code_is_short() -> None:
    """A new colleague reads how Nod is built in one sitting."""
    assert ARCHITECTURE.read_text().count("\n") <= LONGEST_ARCHITECTURE


def test_the_tree_is_whole() -> None:
    """Each module of the core and each part of the world is named in the tree, or by the step of the life."""
    named = {
        path for title in ("The tree", "The life") for path in NAMED_FILE.findall(section(ARCHITECTURE, title))
    }
    parts = [p for room in ("bot", "bot/flow", "adapters") for p in (ROOT / room).iterdir() if p.name[0] != "_"]
    there = {str(part.relative_to(ROOT)) + ("/" if part.is_dir() else "") for part in parts}

    assert [] == sorted(there - {"bot/py.typed", "adapters/py.typed"} - named)


def test_identifiers_that_the_architecture_names_are_in_the_code() -> None:
    """A class, a constant or a function that was renamed takes its mention along."""
    named = set(re.findall(r"`([A-Za-z_]\w*)(?:\(\))?`", ARCHITECTURE.read_text()))
    files = [path for room in ("bot", "adapters", "nod") for path in (ROOT / room).rglob("*.py")]
    words = set(re.findall(r"\w+", " ".join(path.read_text() for path in files)))

    assert [] == sorted(named - words)


def test_the_changelog_has_a_place_for_what_comes() -> None:
    """What changed since the last release is under Unreleased."""
    assert "unreleased" in anchors(ROOT / "CHANGELOG.md")


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.png")), ids=lambda path: path.stem)
def test_a_picture_is_small(path: Path) -> None:
    """Each picture of the README and the docs is a PNG that loads quickly."""
    picture = path.read_bytes()

    assert picture.startswith(b"\x89PNG\r\n")
    assert len(picture) < LARGEST_PICTURE


def test_each_line_of_the_threat_model_names_a_test_that_exists() -> None:
    """A test that was renamed or removed takes its line with it."""
    page = ROOT / "docs" / "security.md"
    text = re.sub(r"^## What a card shows.*?(?=^## )", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    heading = re.compile(r"^\| .*(\btest|they cannot) \|$")
    lines = [line for line in text.splitlines() if line[:2] in ("| ", "- ") and not heading.match(line)]
    named = re.findall(r"\[(test_\w+(?:\.py)?)\]\(([^)]+)\)", page.read_text())

    assert [] == [line for line in lines if "](../tests/" not in line]
    assert len(lines) > 30
    for name, where in named:
        file = (page.parent / where).resolve()
        assert file.is_file(), where
        assert file.name == name or re.search(rf"^(async )?def {name}\(", file.read_text(), re.MULTILINE), name
