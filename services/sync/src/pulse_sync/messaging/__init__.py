"""MQTT in and out, the Redis streams that tell what changed, and identity over HTTP."""
