"""One decoder for each wire form. They accept and refuse exactly what the contracts do, several times as fast."""
