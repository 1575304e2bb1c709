"""PostgreSQL, Redis and the cryptography of what is kept."""
