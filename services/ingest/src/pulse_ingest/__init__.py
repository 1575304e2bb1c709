"""The PrecisionPulse ingest service: validate, dedupe, store, acknowledge, presence."""
