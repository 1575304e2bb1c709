"""The door: routes, the live socket's transport, forwarding, pages."""
