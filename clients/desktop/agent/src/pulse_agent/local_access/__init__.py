"""Who may do what on this desktop, without the server: signing in, rights, and edits by those who have them."""
