"""Getting the outbox's readings to the server: connection, hello and welcome, live path, buffer path, heartbeat."""
