"""What crosses a process boundary in PrecisionPulse: topics, payloads, stream events, frames, permissions."""
