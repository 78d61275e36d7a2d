"""The page of the local Slack: a chat that people know, the real cards and modals, and beside it what the
agents do."""
