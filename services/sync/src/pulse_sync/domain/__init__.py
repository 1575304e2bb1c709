"""What sync knows without a broker, a database or a clock of its own: pages, scopes, revocations, conflicts."""
