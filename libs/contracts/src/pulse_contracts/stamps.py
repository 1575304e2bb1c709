"""When a synced row was changed: a hybrid logical clock, as text that sorts.

A stamp is 13 digits of Unix milliseconds, a dash and 4 hex digits of a counter: `1770459330000-0002`. Stamps of one
clock only grow, also when the wall clock stands still or steps back, and a clock that sees another's stamp continues
behind it (Kulkarni et al., "Logical Physical Clocks", 2014). Comparing the texts compares the times.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, NewType

from pydantic import AfterValidator, StringConstraints

Stamp = NewType("Stamp", str)
STAMP_PATTERN: Final = r"^[0-9]{13}-[0-9a-f]{4}$"
NO_STAMP: Final = Stamp("0000000000000-0000")
"""Before every other stamp."""
MAX_AHEAD_MS: Final = 5 * 60 * 1000
"""How far a desktop's clock may be ahead before its stamps are cut to the server's time (sync.md, 4)."""
_MAX_COUNTER: Final = 0xFFFF
_STAMP: Final = re.compile(STAMP_PATTERN)

StampField = Annotated[str, StringConstraints(pattern=STAMP_PATTERN), AfterValidator(Stamp)]


def make_stamp(milliseconds: int, counter: int = 0) -> Stamp:
    """Return the stamp of a moment; raises ValueError outside 13 digits or 16 bits."""
    text = f"{milliseconds:013d}-{counter:04x}"
    if _STAMP.fullmatch(text) is None:
        raise ValueError(f"no stamp can say {milliseconds} ms, counter {counter}")
    return Stamp(text)


def stamp_milliseconds(stamp: Stamp) -> int:
    """Return a stamp's Unix milliseconds."""
    return int(stamp[:13])


def next_stamp(seen: Stamp, now_ms: int) -> Stamp:
    """Return a stamp for a change that happens now, later than `seen`, the highest stamp that this clock knows."""
    if now_ms > stamp_milliseconds(seen):
        return make_stamp(now_ms)
    counter = int(seen[14:], 16) + 1
    if counter > _MAX_COUNTER:
        return make_stamp(stamp_milliseconds(seen) + 1)
    return make_stamp(stamp_milliseconds(seen), counter)


def clamped(stamp: Stamp, now_ms: int) -> Stamp:
    """Return the stamp itself, or the server's now for one from a clock that is too far ahead."""
    if stamp_milliseconds(stamp) > now_ms + MAX_AHEAD_MS:
        return make_stamp(now_ms)
    return stamp
