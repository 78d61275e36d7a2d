"""The agent platform over HTTP: the client that implements `bot.ports.Platform`, and what it reads."""
