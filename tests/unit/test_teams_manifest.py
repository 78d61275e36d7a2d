"""`nod manifest`: what Teams and Slack are given is what they take, and asks for no more than is used."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from adapters.cli.manifest import (
    colour_icon,
    outline_icon,
    print_slack_manifest,
    print_teams_manifest,
    teams_manifest,
    teams_package,
)
from bot.errors import ConfigError

APP = "6E0C9D0A-0f6f-4c0e-9a51-2f7a0b1c2d3e"
ROOT = Path(__file__).parents[2]
NO_WEBSITE = ["nod.acme.example", "http://acme.example", "https://ann@acme.example", ""]


def pixels(png: bytes) -> tuple[int, list[tuple[int, int, int, int]]]:
    """The side of a square picture, and its pixels, read as RFC 2083 has it; checksums are checked."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, parts = 8, {}
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        (check,) = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert zlib.crc32(kind + content) == check
        parts[kind], at = content, at + 12 + length
    wide, high, *how = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert wide == high
    assert [8, 6, 0, 0, 0] == how
    rows = zlib.decompress(parts[b"IDAT"])
    assert len(rows) == high * (1 + 4 * wide)
    found = []
    for row in range(high):
        line = rows[row * (1 + 4 * wide) : (row + 1) * (1 + 4 * wide)]
        assert 0 == line[0]
        found += [tuple(line[1 + 4 * one : 5 + 4 * one]) for one in range(wide)]
    return wide, found  # type: ignore[return-value]  # four bytes each


def test_teams_would_take_the_manifest() -> None:
    """It obeys the published schema of the version that it names."""
    folder = os.environ.get("NOD_SCHEMAS")
    if not folder:
        pytest.skip("NOD_SCHEMAS names no folder with the published schemas")
    manifest = teams_manifest(APP)
    path = Path(folder) / f"teams-app-manifest-{manifest['manifestVersion']}.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)

    assert [] == [error.message for error in validator.iter_errors(manifest)]
    wrong = {**manifest, "bots": [{**manifest["bots"][0], "scopes": ["groupchat"]}]}
    assert not validator.is_valid(wrong)  # it is the schema that says so


def test_the_app_is_one_bot_in_channels_chats_and_alone_with_people() -> None:
    """The registration's bot, everywhere a card or a ping goes; it asks for no permission."""
    manifest = teams_manifest(APP, website="https://acme.example/nod")

    (bot,) = manifest["bots"]
    assert (APP.lower(), APP.lower()) == (manifest["id"], bot["botId"])
    assert {"team", "groupChat", "personal"} == set(bot["scopes"])
    assert "tier1" == manifest["supportsChannelFeatures"]
    assert not {"permissions", "authorization", "webApplicationInfo"} & set(manifest)
    assert {"https://acme.example/nod"} == {manifest["developer"][name] for name in manifest["developer"]} - {
        "Nod"
    }
    assert ["acme.example"] == manifest["validDomains"]


def test_the_icons_are_what_teams_asks_for() -> None:
    """192x192 in colour to the edge, and 32x32 white on nothing."""
    side, colour = pixels(colour_icon())
    assert 192 == side
    assert {255} == {alpha for *_, alpha in colour}
    assert {(0x1F, 0x29, 0x37, 255), (255, 255, 255, 255)} <= set(colour)
    assert colour[0] == (0x1F, 0x29, 0x37, 255)

    side, outline = pixels(outline_icon())
    assert 32 == side
    assert {(255, 255, 255)} == {rest for *rest_, _ in outline for rest in [tuple(rest_)]}
    assert {0, 255} <= {alpha for *_, alpha in outline}
    assert 0 == outline[0][3]


def test_the_package_has_the_three_files_and_is_the_same_each_time() -> None:
    """Flat, with the icons under the names that the manifest gives; two runs make the same bytes."""
    manifest = teams_manifest(APP)
    package = teams_package(manifest)

    with zipfile.ZipFile(io.BytesIO(package)) as opened:
        assert ["manifest.json", "color.png", "outline.png"] == opened.namelist()
        assert manifest == json.loads(opened.read("manifest.json"))
        assert colour_icon() == opened.read(manifest["icons"]["color"])
        assert outline_icon() == opened.read(manifest["icons"]["outline"])
    assert package == teams_package(manifest)


def test_the_screen_shows_the_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file the JSON of Teams, and the YAML that the repository has for Slack."""
    print_teams_manifest(app_id=APP)
    assert teams_manifest(APP) == json.loads(capsys.readouterr().out)
    print_slack_manifest()
    assert capsys.readouterr().out.startswith((ROOT / "manifest.yaml").read_text(encoding="utf-8"))


def test_a_file_gets_the_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ready to upload; where it cannot be written the option is named."""
    out = tmp_path / "nod.zip"
    print_teams_manifest(app_id=APP, out=out)
    assert teams_package(teams_manifest(APP)) == out.read_bytes()
    assert str(out) in capsys.readouterr().out
    with pytest.raises(ConfigError, match="--out"):
        print_teams_manifest(app_id=APP, out=tmp_path / "none" / "nod.zip")


@pytest.mark.parametrize("app_id", [None, "", "nod", f"{APP}x"])
def test_without_the_bots_id_there_is_no_app(app_id: Any) -> None:
    """The variable is named, with where the id is found."""
    with pytest.raises(ConfigError, match="MicrosoftAppId") as caught:
        print_teams_manifest(app_id=app_id)

    assert "Application (client) ID" in caught.value.fix


@pytest.mark.parametrize("website", NO_WEBSITE)
def test_a_page_that_is_none_is_refused(website: str) -> None:
    """Teams would refuse the package only when it is uploaded."""
    with pytest.raises(ConfigError, match="--website"):
        teams_manifest(APP, website=website)
