"""`nod manifest slack | teams`: the Slack manifest with the link that creates the app, or the Teams package."""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Callable
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml

from adapters.chat.words import GUID
from adapters.settings.variables import web_address
from bot.errors import ConfigError

#: Sides in pixels (learn.microsoft.com/microsoftteams/platform/concepts/build-and-test/apps-package).
COLOUR_SIDE, OUTLINE_SIDE = 192, 32
#: The background of the colour icon, as on Slack (manifest.yaml); also the manifest's accent colour.
BACKGROUND = (0x1F, 0x29, 0x37)

Point = tuple[float, float]
Pixel = tuple[int, int, int, int]

#: As shares of the side: a tick, and the square with round corners around it.
_TICK: tuple[Point, ...] = ((0.30, 0.52), (0.45, 0.67), (0.72, 0.35))
_THICK = 0.05
_MARGIN, _ROUND = 0.06, 0.22


def colour_icon() -> bytes:
    """192x192: a white tick on the background, to the edge, because Teams cuts the corners."""

    def pixel(x: float, y: float) -> Pixel:
        ink = _coverage(_to_tick(x, y) - _THICK, COLOUR_SIDE)
        red, green, blue = (round(part + (255 - part) * ink) for part in BACKGROUND)
        return red, green, blue, 255

    return _png(COLOUR_SIDE, pixel)


def outline_icon() -> bytes:
    """32x32: the tick and its frame in white on a transparent background."""

    def pixel(x: float, y: float) -> Pixel:
        line = min(_to_tick(x, y), abs(_to_frame(x, y))) - _THICK / 2
        return 255, 255, 255, round(255 * _coverage(line, OUTLINE_SIDE))

    return _png(OUTLINE_SIDE, pixel)


def _coverage(distance: float, side: int) -> float:
    """How much of a pixel a shape covers if its edge is `distance` away, as a share of the side."""
    return min(1.0, max(0.0, 0.5 - distance * side))


def _to_tick(x: float, y: float) -> float:
    return min(_to_line(x, y, start, end) for start, end in pairwise(_TICK))


def _to_line(x: float, y: float, start: Point, end: Point) -> float:
    """The distance to a line segment."""
    along = (end[0] - start[0], end[1] - start[1])
    length = along[0] ** 2 + along[1] ** 2
    share = max(0.0, min(1.0, ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length))
    return math.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1])


def _to_frame(x: float, y: float) -> float:
    """The distance to the edge of a square with round corners; negative inside."""
    inner = 0.5 - _MARGIN - _ROUND
    over = (abs(x - 0.5) - inner, abs(y - 0.5) - inner)
    return math.hypot(max(over[0], 0.0), max(over[1], 0.0)) + min(max(over), 0.0) - _ROUND


def _png(side: int, pixel: Callable[[float, float], Pixel]) -> bytes:
    """Eight bits of red, green, blue and alpha for each pixel, no filter, no interlace."""
    rows = bytearray()
    for row in range(side):
        rows.append(0)  # this line has no filter
        for column in range(side):
            rows += bytes(pixel((column + 0.5) / side, (row + 0.5) / side))
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    parts = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(bytes(rows), 9)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


#: The schema that the manifest follows, the newest published one (msteams-docs, manifest-schema).
SCHEMA_VERSION = "1.29"
#: The company's page, unless `--website` gives another.
WEBSITE = "https://nod.example.com"
#: The Slack app's manifest: the one at the top of the repository, which a test compares.
SLACK = Path(__file__).with_name("slack.manifest.yaml")
REQUEST_URL = "Give the public address of `nod run`, for example https://nod.example.com/slack/events."
#: The time of every file in the package: the same settings make the same bytes.
_WRITTEN = (1980, 1, 1, 0, 0, 0)
_NAMES = ("manifest.json", "color.png", "outline.png")


def teams_manifest(app_id: str, *, website: str = WEBSITE) -> dict[str, Any]:
    """The app: one bot for channels, group chats and personal chats, without any further permission.

    Raises ConfigError for an invalid id or address.
    """
    if not GUID.fullmatch(app_id):
        what = (
            "is not an id of 32 hex digits with hyphens"
            if app_id
            else "is not set, but the app package needs it"
        )
        fix = "Copy the Application (client) ID of the bot's app registration."
        raise ConfigError("MicrosoftAppId", what, fix)
    try:
        web_address(website)
    except ValueError as error:
        raise ConfigError(
            "--website", str(error), "Give the URL of a page about Nod at your company."
        ) from None
    return {
        "$schema": f"https://developer.microsoft.com/json-schemas/teams/v{SCHEMA_VERSION}/MicrosoftTeams.schema.json",
        "manifestVersion": SCHEMA_VERSION,
        "version": version("nod-approvals"),
        "id": app_id.lower(),
        "developer": {
            "name": "Nod",
            "websiteUrl": website,
            "privacyUrl": website,
            "termsOfUseUrl": website,
        },
        "name": {"short": "Nod", "full": "Nod: approval requests from AI agents"},
        "description": {
            "short": "Routes AI agents' approval requests to the right people.",
            "full": (
                "Nod posts a card in a channel or chat when an AI agent asks for approval. An approver "
                "approves, rejects or skips there, and Nod delivers the answer to the platform once."
            ),
        },
        "icons": {"color": _NAMES[1], "outline": _NAMES[2]},
        "accentColor": "#{:02x}{:02x}{:02x}".format(*BACKGROUND),
        "bots": [
            {
                "botId": app_id.lower(),
                "scopes": ["team", "groupChat", "personal"],
                "isNotificationOnly": False,
                "supportsFiles": False,
                "commandLists": [
                    {
                        "scopes": ["team", "groupChat", "personal"],
                        "commands": [{"title": "help", "description": "What Nod does here"}],
                    }
                ],
            }
        ],
        "supportsChannelFeatures": "tier1",
        "validDomains": [urlsplit(website).hostname],
    }


def teams_package(manifest: dict[str, Any]) -> bytes:
    """The zip to upload to Teams: manifest and icons, the same bytes for the same manifest."""
    contents = (written(manifest).encode(), colour_icon(), outline_icon())
    opened = io.BytesIO()
    with zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in zip(_NAMES, contents, strict=True):
            package.writestr(zipfile.ZipInfo(name, _WRITTEN), content, zipfile.ZIP_DEFLATED)
    return opened.getvalue()


def written(manifest: dict[str, Any]) -> str:
    """The manifest as the text of a file."""
    return json.dumps(manifest, indent=2) + "\n"


def slack_manifest(request_url: str | None = None) -> str:
    """The Slack app as YAML: for Socket Mode, or with `request_url` for clicks over HTTP.

    Raises ConfigError for an address that Slack cannot post to.
    """
    text = SLACK.read_text(encoding="utf-8")
    if request_url is None:
        return text
    try:
        address = urlsplit(web_address(request_url))
    except ValueError as error:
        raise ConfigError("--request-url", str(error), REQUEST_URL) from None
    if address.scheme != "https" or address.path in ("", "/"):
        what = (
            "must begin with https://, because Slack posts only to such addresses"
            if address.scheme != "https"
            else "has no path"
        )
        raise ConfigError("--request-url", what, REQUEST_URL)
    _, _, body = text.partition("_metadata:")
    enabled = "    is_enabled: true\n"
    body = body.replace(enabled, f"{enabled}    request_url: {json.dumps(request_url)}\n")
    body = body.replace("socket_mode_enabled: true", "socket_mode_enabled: false")
    return f"# Nod's Slack app, with clicks over HTTP.\n_metadata:{body}"


def create_link(manifest: str) -> str:
    """The Slack page that creates an app from this YAML: the address holds the manifest, percent-encoded
    (docs.slack.dev/app-manifests/configuring-apps-with-app-manifests, "Sharing manifests").
    """
    compact = json.dumps(yaml.safe_load(manifest), separators=(",", ":"))
    return f"https://api.slack.com/apps?new_app=1&manifest_json={quote(compact, safe='')}"


def print_slack_manifest(*, request_url: str | None = None, out: Path | None = None) -> None:
    """Print the manifest, with the link that creates the app as a comment below. Raises ConfigError."""
    manifest = slack_manifest(request_url)
    told = f"# Open this link to create the app from this manifest:\n# {create_link(manifest)}"
    if out is None:
        print(f"{manifest}\n{told}")
    else:
        _write(out, manifest.encode())
        print(told)


def print_teams_manifest(*, app_id: str | None, website: str = WEBSITE, out: Path | None = None) -> None:
    """Print the manifest, or write the whole package to a file. Raises ConfigError."""
    manifest = teams_manifest(app_id or "", website=website)
    if out is None:
        print(written(manifest), end="")
    else:
        _write(out, teams_package(manifest))


def _write(out: Path, content: bytes) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        what = f"{out} cannot be written ({error.strerror})"
        raise ConfigError("--out", what, "Choose a writable path.") from None
    print(f"{out}: {len(content)} bytes")
