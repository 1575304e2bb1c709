"""Rules, alarms and the state of evaluation in PostgreSQL."""
