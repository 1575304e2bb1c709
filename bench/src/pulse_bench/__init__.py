"""Benchmarks of PrecisionPulse, each beside its limit in the same run."""
