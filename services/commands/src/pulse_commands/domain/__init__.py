"""The rules of a command's life; nothing here knows a database, a broker or a web framework."""
