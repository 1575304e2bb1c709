"""The newest log records of this process, for windows: what was written, after secrets were replaced.

Guarantees: at most `MAX_RECORDS`, each at most `MAX_FIELDS_CHARS` long; overflow policy: the oldest goes. May be fed from
any thread.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_RECORDS: Final = 1_000
MAX_FIELDS_CHARS: Final = 2_048
_KNOWN: Final = frozenset({"timestamp", "service", "level", "event", "part"})


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """One record; `fields` as JSON, as few of them are ever read."""

    number: int
    at_ms: int
    level: str
    event: str
    part: str | None
    fields: str


class LogMemory:
    """`take` is a tap of `pulse_chassis.logging`."""

    def __init__(self) -> None:
        self._records: deque[KeptRecord] = deque(maxlen=MAX_RECORDS)
        self._numbers = itertools.count(1)
        self._guard = threading.Lock()

    def take(self, line: Mapping[str, Any]) -> None:
        """Keep a line of the log."""
        fields = json.dumps({key: value for key, value in line.items() if key not in _KNOWN}, default=str)
        if len(fields) > MAX_FIELDS_CHARS:
            fields = json.dumps({"cut": fields[: MAX_FIELDS_CHARS // 2]})
        part = line.get("part")
        level, event = str(line.get("level", "info")), str(line.get("event", ""))[:MAX_FIELDS_CHARS]
        with self._guard:
            number = next(self._numbers)
            self._records.append(
                KeptRecord(number, int(time.time() * 1000), level, event, None if part is None else str(part), fields)
            )

    def after(self, number: int) -> list[KeptRecord]:
        """Return what came after the record of this number, oldest first."""
        with self._guard:
            return [record for record in self._records if record.number > number]
