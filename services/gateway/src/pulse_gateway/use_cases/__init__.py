"""What the gateway does: connections, subscriptions, fan-out, reads."""
