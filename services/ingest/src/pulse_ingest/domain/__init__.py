"""What ingest knows without a broker, a database or a clock of its own: readings, batches, ledgers, limits."""
