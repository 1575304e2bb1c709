"""Commands from the server: verified, written down, executed at most once, and answered."""
