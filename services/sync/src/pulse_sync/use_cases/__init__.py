"""What sync does, one file each; `ports.py` says what they need from the outside."""
