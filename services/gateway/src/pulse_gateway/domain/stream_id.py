"""Ids of Redis streams: ordered, opaque to clients, and their first half is the time of writing."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_FORM: Final = re.compile(r"([0-9]{1,19})-([0-9]{1,19})", re.ASCII)


class StreamId(NamedTuple):
    """`<milliseconds>-<sequence>`; compares as Redis orders entries."""

    ms: int
    seq: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"


START: Final = StreamId(0, 0)
"""The position before the first entry."""


def parse_stream_id(text: str) -> StreamId | None:
    """Return the id, or None when the text is not one (a client may send anything as an offset)."""
    match = _FORM.fullmatch(text)
    return None if match is None else StreamId(int(match[1]), int(match[2]))
