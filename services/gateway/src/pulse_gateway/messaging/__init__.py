"""Reading the Redis streams."""
