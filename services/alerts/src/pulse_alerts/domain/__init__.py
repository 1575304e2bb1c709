"""Rules, conditions and alarms; nothing here knows a database, a broker or a web framework."""
