"""`pulse watch`: the first real client of `precisionpulse.v1`, and the protocol client it is built on."""
