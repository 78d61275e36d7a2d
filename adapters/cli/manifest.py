"""`nod manifest slack | teams`: what an administrator gives to the chat so that Nod is an app there."""

from __future__ import annotations

import io
import json
import zipfile
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from adapters.cli.icons import BACKGROUND, colour_icon, outline_icon
from adapters.settings import read_local_environment
from adapters.settings.microsoft import GUID
from adapters.settings.variables import web_address
from bot.errors import ConfigError

app = typer.Typer(add_completion=False)

#: The schema that the manifest keeps to, the newest published one (teams.md, App package).
SCHEMA_VERSION = "1.29"
#: Where Nod's company tells about it, until `--website` says so.
WEBSITE = "https://nod.example.com"
#: The Slack app's manifest: the one at the top of the repository, which a test compares.
SLACK = Path(__file__).with_name("slack.manifest.yaml")
#: The moment of every file in the package: the same settings make the same bytes.
_WRITTEN = (1980, 1, 1, 0, 0, 0)
_NAMES = ("manifest.json", "color.png", "outline.png")


class Chat(StrEnum):
    """The chats that Nod can be an app of."""

    SLACK = "slack"
    TEAMS = "teams"


def teams_manifest(app_id: str, *, website: str = WEBSITE) -> dict[str, Any]:
    """The app: one bot for channels, group chats and personal chats, and no permission beyond.

    Raises ConfigError for an id that is none, or an address that is none.
    """
    if not GUID.fullmatch(app_id):
        what = "is no id of 32 hex digits with hyphens" if app_id else "is not set, and the app is that bot"
        fix = "Copy the Application (client) ID of the bot's registration."
        raise ConfigError("MicrosoftAppId", what, fix)
    try:
        web_address(website)
    except ValueError as error:
        raise ConfigError("--website", str(error), "Name a page about Nod in your company.") from None
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
        "name": {"short": "Nod", "full": "Nod: approvals that AI agents wait for"},
        "description": {
            "short": "Brings the approvals that AI agents wait for to people.",
            "full": (
                "Nod puts a card into a channel or chat when an AI agent waits for an approval. Whoever may "
                "decide approves, rejects or skips there, and Nod tells the platform once."
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
            }
        ],
        "supportsChannelFeatures": "tier1",
        "validDomains": [urlsplit(website).hostname],
    }


def teams_package(manifest: dict[str, Any]) -> bytes:
    """The zip that is uploaded to Teams: manifest and icons, the same bytes for the same manifest."""
    contents = (written(manifest).encode(), colour_icon(), outline_icon())
    opened = io.BytesIO()
    with zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in zip(_NAMES, contents, strict=True):
            package.writestr(zipfile.ZipInfo(name, _WRITTEN), content, zipfile.ZIP_DEFLATED)
    return opened.getvalue()


def written(manifest: dict[str, Any]) -> str:
    """The manifest as a file."""
    return json.dumps(manifest, indent=2) + "\n"


def print_manifest(chat: Chat, *, app_id: str | None, website: str, out: Path | None) -> None:
    """To the screen, or to a file: of Teams the whole package. Raises ConfigError."""
    if chat is Chat.SLACK:
        content = SLACK.read_bytes()
    else:
        manifest = teams_manifest(app_id or "", website=website)
        content = teams_package(manifest) if out is not None else written(manifest).encode()
    if out is None:
        print(content.decode(), end="")
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        what = f"{out} cannot be written ({error.strerror})"
        raise ConfigError("--out", what, "Name a file in a folder of yours.") from None
    print(f"{out}: {len(content)} bytes")


@app.command("manifest")
def manifest_command(
    chat: Annotated[Chat, typer.Argument(help="The chat that Nod becomes an app of.")],
    out: Annotated[
        Path | None, typer.Option(help="A file in place of the screen; of Teams the package to upload.")
    ] = None,
    website: Annotated[str, typer.Option(help="A page about Nod in your company, for Teams.")] = WEBSITE,
) -> None:
    """Print what makes Nod an app of a chat: Slack's manifest, or the Teams app for MicrosoftAppId."""
    app_id = read_local_environment().microsoft_app_id
    print_manifest(chat, app_id=app_id, website=website, out=out)
