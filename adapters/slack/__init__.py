"""Slack: cards go up here, clicks come in from here, and alerts can go here too."""

from adapters.slack.chat import SlackChat
from adapters.slack.directory import SlackDirectory
from adapters.slack.identity import SCOPES, Identity
from adapters.slack.listing import Channel, Member
from adapters.slack.slack import API_URL, Slack, open_slack
from adapters.slack.socket import Counted

__all__ = [
    "API_URL",
    "SCOPES",
    "Channel",
    "Counted",
    "Identity",
    "Member",
    "Slack",
    "SlackChat",
    "SlackDirectory",
    "open_slack",
]
