"""`nod …`: the command line. Each command is thin; mistakes end in one line and exit code 2."""

from adapters.cli.commands import main

__all__ = ["main"]
