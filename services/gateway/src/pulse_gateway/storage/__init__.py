"""Reading the published views of the other services."""
