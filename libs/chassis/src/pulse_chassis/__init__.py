"""How a PrecisionPulse process lives: run, settings, logging, health, database, streams, MQTT, tokens, metrics, clock."""
