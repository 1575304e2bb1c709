"""What identity does, one use case a file; `ports` says what it needs for it."""
