"""The outbox: every reading on the disk before anything else happens to it, until the server says it has it."""
