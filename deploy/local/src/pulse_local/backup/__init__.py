"""Backups of a whole stack: what they hold, how one is made, how one becomes a stack again."""
