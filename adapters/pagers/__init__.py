"""Where alerts go out (`bot.ports.Pager`)."""
