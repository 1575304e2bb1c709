"""`pulse chaos`: break the real stack on purpose, and count."""
