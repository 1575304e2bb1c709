"""The streams that are read, and the ways that notifications leave by."""
