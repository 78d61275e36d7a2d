"""`sources:` in nod.yaml: platforms beside that of the environment, each mistake by its line, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.settings import Environment, all_sources, read_policy_file
from adapters.settings.lines import parse_yaml
from adapters.settings.models import FileText
from adapters.settings.sources import SourceAddress, check_kept, sources_of
from adapters.sources import check_kinds
from bot.errors import ConfigError
from bot.protocol import GLAIP, HITLRequest

REST = """
people: {ann: {email: ann@acme.example}}
routes: [{name: default, match: {}, cards: [slack:C0APPROVALS], approvers: [ann]}]
"""
KEYS = {"EU_KEY": "k-eu", "BAD_KEY": "two words", "NOD_SECRET": "x" * 32}


def read(text: str, folder: Path = Path()) -> tuple[SourceAddress, ...]:
    value, lines = parse_yaml((text + REST).encode(), Path("nod.yaml"))
    return sources_of(FileText.model_validate(value), lines, folder=folder, variables=KEYS)


def said(error: ConfigError) -> list[str]:
    return [one.line for one in error.each]


def environment(url: str = "https://aip.acme.example/", **more: str) -> Environment:
    return Environment.model_validate({"AIP_API_URL": url, "AIP_API_KEY": "k", **more})


def test_a_key_is_a_variable_or_a_file(tmp_path: Path) -> None:
    """With its own interval, if it has one; the environment's comes first."""
    (tmp_path / "us.key").write_text("k-us\n")
    found = read(
        """
sources:
  eu: {url: "https://aip.eu.acme.example", key: "${EU_KEY}", poll_every: 5s}
  us-2: {url: "https://aip.us.acme.example/v1", key_file: us.key}
""",
        tmp_path,
    )
    known = all_sources(environment(), found)
    assert [GLAIP, "eu", "us-2"] == [one.name for one in known]
    assert ["k", "k-eu", "k-us"] == [one.key.get_secret_value() for one in known]
    assert [None, 5.0, None] == [one.every and one.every.total_seconds() for one in known]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('{url: "https://eu.example"}', "sources.eu needs either `key` or `key_file`"),
        ('{url: "https://eu.example", key: "${EU_KEY}", key_file: k}', "either `key` or `key_file`"),
        ('{url: "https://eu.example", key: "k-eu"}', "the key must be a variable of the environment"),
        ('{url: "https://eu.example", key: "${NO_KEY}"}', "NO_KEY is not set"),
        ('{url: "https://eu.example", key: "${NOD_SECRET}"}', "NOD_SECRET is one of Nod's own settings"),
        ('{url: "https://eu.example", key: "${BAD_KEY}"}', "characters that a key cannot have"),
        ('{url: "https://eu.example", key_file: none}', "sources.eu.key_file cannot be read"),
        ('{url: "eu.example", key: "${EU_KEY}"}', "sources.eu.url must be"),
        ('{url: "https://ann@eu.example", key: "${EU_KEY}"}', "sources.eu.url must be"),
        ('{url: "https://eu.example?a=b", key: "${EU_KEY}"}', "without a query"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_line(source: str, words: str) -> None:
    """And no key is repeated."""
    with pytest.raises(ConfigError) as found:
        read(f"\nsources:\n  eu: {source}\n")
    (line,) = said(found.value)
    assert words in line
    assert line.startswith("nod.yaml, line 3")
    assert "two words" not in line


def test_all_mistakes_are_told_at_once() -> None:
    """Those of one source, too."""
    with pytest.raises(ConfigError) as found:
        read('\nsources:\n  glaip: {url: x}\n  eu: {url: x}\n  us: {url: "https://us.example", key: k}\n')
    assert ["glaip is the platform of AIP_API_URL", "eu.url", "eu needs", "us.key"] == [
        next(
            word
            for word in ("glaip is the platform of AIP_API_URL", "eu.url", "eu needs", "us.key")
            if word in one
        )
        for one in said(found.value)
    ]


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("sources: {EU: {url: x}}", "must be a name of small letters, digits and hyphens"),
        ("sources: {eu: {uri: x}}", "Did you mean `url`?"),
        ("sauces: {}", "Did you mean `sources`?"),
    ],
)
def test_near_misses_are_named(tmp_path: Path, yaml: str, words: str) -> None:
    """As anywhere in nod.yaml."""
    (tmp_path / "nod.yaml").write_text(yaml + REST)
    with pytest.raises(ConfigError) as found:
        read_policy_file(tmp_path / "nod.yaml")
    assert any(words in line for line in said(found.value)), said(found.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("HTTPS://AIP.acme.example:443", None),
        ("https://aip.acme.example/", "sources.eu.url is the address of AIP_API_URL too"),
        ("https://aip.acme.example:443", "sources.eu.url is the address of AIP_API_URL too"),
        ("https://aip.acme.example/eu", None),
        ("http://aip.eu.acme.example", "sources.eu.url is http:// to another machine"),
        ("http://127.0.0.1:8000", None),
    ],
)
def test_no_platform_is_named_twice_and_no_key_goes_out_in_the_clear(url: str, words: str | None) -> None:
    """However its address is written."""
    if url.startswith("HTTPS"):
        with pytest.raises(ConfigError):
            read(f'\nsources: {{eu: {{url: "{url}", key: "${{EU_KEY}}"}}}}\n')
        return
    more = read(f'\nsources: {{eu: {{url: "{url}", key: "${{EU_KEY}}"}}}}\n')
    if words is None:
        assert 2 == len(all_sources(environment(), more))
        return
    with pytest.raises(ConfigError) as found:
        all_sources(environment(), more)
    assert words in str(found.value)
    assert 2 == len(all_sources(environment("https://other.example", NOD_ALLOW_PLAIN_HTTP="true"), more))


def test_a_kind_that_there_is_none_of_is_refused() -> None:
    """With the one that was meant."""
    more = read('\nsources: {eu: {kind: glap, url: "https://eu.example", key: "${EU_KEY}"}}\n')
    with pytest.raises(ConfigError, match="Did you mean glaip"):
        check_kinds(more)


@pytest.mark.parametrize(
    ("match", "matches"),
    [("{source: eu}", ["eu"]), ('{source: "!eu"}', ["glaip", "us-2"]), ('{source: "*-2"}', ["us-2"])],
)
def test_a_route_can_go_by_the_source(tmp_path: Path, match: str, matches: list[str]) -> None:
    """By its name, a glob, or all but one."""
    (tmp_path / "k").write_text("k")
    sources = ", ".join(f'{name}: {{url: "https://{name}.example", key_file: k}}' for name in ("eu", "us-2"))
    route = f"{{name: one, match: {match}, cards: [slack:C0FINANCE], approvers: [ann]}}"
    (tmp_path / "nod.yaml").write_text(
        f"sources: {{{sources}}}" + REST.replace("routes: [", f"routes: [{route}, ")
    )
    policy = read_policy_file(tmp_path / "nod.yaml").policy
    asked = [
        HITLRequest(request_id="r", tool_name="t", arguments={}, agent_id="a", source=source)
        for source in policy.sources
    ]
    assert matches == [one.source for one in asked if policy.route_of(one).name == "one"]


def test_a_condition_on_a_source_that_there_is_none_of_is_refused(tmp_path: Path) -> None:
    """A deny rule with a slip in it would never deny."""
    (tmp_path / "nod.yaml").write_text("deny: [{match: {source: galip}}]" + REST)
    with pytest.raises(ConfigError, match="Did you mean glaip"):
        read_policy_file(tmp_path / "nod.yaml")


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ('eu: {url: "https://eu.example/", key: "${BAD_KEY2}", poll_every: 9s}', True),
        ('eu: {url: "https://eu.example", key: "${EU_KEY}"}, us: {url: "https://u.x", key: "${EU_KEY}"}', True),
        ('emea: {url: "https://eu.example", key: "${EU_KEY}"}', False),
        ('eu: {url: "https://us.example", key: "${EU_KEY}"}', False),
        ("", False),
    ],
)  # fmt: skip
def test_a_running_source_stays_where_it_is(changed: str, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a deny rule under its new name would deny nothing of it any more."""
    monkeypatch.setitem(KEYS, "BAD_KEY2", "another")
    running = read('\nsources: {eu: {url: "https://eu.example", key: "${EU_KEY}"}}\n')
    now = read(f"\nsources: {{{changed}}}\n")
    if kept:
        check_kept(running, now, where="nod.yaml")
        return
    with pytest.raises(ConfigError, match="Restart Nod to change sources"):
        check_kept(running, now, where="nod.yaml")
