"""The HTTP side: schemas, routes, cookies."""
