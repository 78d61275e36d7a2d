"""Teams: cards go up here, clicks come in from here, and alerts can go here too.

Importing this package does not import the SDK; `open_teams` does.
"""

from adapters.teams.chat import TeamsChat
from adapters.teams.directory import TeamsDirectory
from adapters.teams.teams import Teams, open_teams
from adapters.teams.workflows import RoutedChat, WorkflowsChat, open_workflows
from bot.surface import ConversationRef, Conversations, Scope

__all__ = [
    "ConversationRef",
    "Conversations",
    "RoutedChat",
    "Scope",
    "Teams",
    "TeamsChat",
    "TeamsDirectory",
    "WorkflowsChat",
    "open_teams",
    "open_workflows",
]
