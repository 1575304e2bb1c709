"""How a PrecisionPulse process lives: run, settings, logging, health, database, streams, MQTT, bearer tokens, metrics, clock."""
