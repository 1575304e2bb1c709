"""MQTT in and out: the subscription, the decoders of every wire form, acks, and the Redis streams."""
