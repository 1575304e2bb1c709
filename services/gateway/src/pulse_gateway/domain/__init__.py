"""What the live socket means, without any input or output: scopes, filters, conflation, resume, limits."""
