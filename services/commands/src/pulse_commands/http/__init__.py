"""The REST API of commands."""
