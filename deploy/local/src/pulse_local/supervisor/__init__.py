"""The process that owns a stack: it starts every part, restarts what dies, and stops all in order."""
