"""The rules of people, sessions and devices: pure, no input or output."""
