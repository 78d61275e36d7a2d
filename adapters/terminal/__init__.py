"""People at a terminal: what waits with its countdowns, and a call to read before it is answered.

For programs of one's own: `HITLHandler(callback, client=client, interactive=TerminalPrompt())`.
"""

from adapters.terminal.keys import Keys
from adapters.terminal.prompt import TerminalPrompt
from adapters.terminal.screen import Screen, at_a_terminal, board, page, time_left, unread
from adapters.terminal.sheet import Sheet

__all__ = ["Keys", "Screen", "Sheet", "TerminalPrompt", "at_a_terminal", "board", "page", "time_left", "unread"]
