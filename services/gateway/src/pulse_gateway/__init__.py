"""The PrecisionPulse gateway: the live socket, the read API, the one door."""
