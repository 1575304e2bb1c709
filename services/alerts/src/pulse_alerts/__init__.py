"""The alerts service: rules over readings, alarms and their notifications."""
