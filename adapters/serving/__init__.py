"""How Nod serves HTTP, whatever it serves: one construction for the bot's front and for the relay.

uvicorn has no bound on how long a request's head takes and none on how many connections are open; a few hundred
half-sent heads would take every descriptor, and then polls, database and chats get none.
"""

from adapters.serving.protocol import ALIVE, HANG_UP, Patience, room
from adapters.serving.serve import KEEP_ALIVE, listen, serve

__all__ = ["ALIVE", "HANG_UP", "KEEP_ALIVE", "Patience", "listen", "room", "serve"]
