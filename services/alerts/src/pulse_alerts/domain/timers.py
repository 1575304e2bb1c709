"""When to look at which device: each has one time at most, the earliest that was asked for."""

from __future__ import annotations

import heapq
from typing import Final

_NEVER_MS: Final = 2**62


class Timers:
    """Times are Unix milliseconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._times: dict[str, int] = {}

    def wait(self, device_id: str, at_ms: int) -> None:
        """Have a device looked at then; a look that was to be later is not taken any more."""
        if at_ms < self._times.get(device_id, _NEVER_MS):
            self._times[device_id] = at_ms
            heapq.heappush(self._heap, (at_ms, device_id))

    def due(self, until_ms: int) -> list[str]:
        """Take away the devices whose time has come, and return them in its order."""
        found = []
        while self._heap and self._heap[0][0] <= until_ms:
            at_ms, device_id = heapq.heappop(self._heap)
            if self._times.get(device_id) == at_ms:
                del self._times[device_id]
                found.append(device_id)
        return found
