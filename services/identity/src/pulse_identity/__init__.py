"""The PrecisionPulse identity service: login, tokens, roles, devices and their broker accounts."""
