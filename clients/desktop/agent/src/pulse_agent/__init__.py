"""The PrecisionPulse agent: an outbox on disk and the delivery that empties it."""
