"""What the service does, one file each; `ports` says what they need."""
