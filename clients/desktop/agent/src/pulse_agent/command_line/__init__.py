"""`pulse-agent`: enroll, run, status, export-quarantine."""
