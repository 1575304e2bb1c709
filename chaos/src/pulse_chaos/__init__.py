"""Faults on purpose over the real stack, and a verdict from outside of it: `pulse chaos`."""
