"""What this desktop holds of people, roles and config: the server's rows, local edits on top, and how both meet."""
