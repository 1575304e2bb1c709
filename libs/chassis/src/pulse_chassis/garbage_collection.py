"""How often a process that moves many small objects looks for cycles among them.

Batches and stream entries are thousands of tuples without a cycle. Python's default looks through the young ones at
every 700 allocations, and through everything that lives (the gateway's ring, the ledger's caches) far too often: it took
a fifth of ingest's time and a third of the gateway's, as was measured with `pulse bench ingest`.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG_ALLOCATIONS: Final = 100_000
OF_REQUESTS: Final = 10_000
"""For a process that answers requests: its young ones are few, and the cycles that a request leaves (30 KB for a command)
would otherwise take 10 MiB before anybody looks."""
_MIDDLE_RUNS: Final = 20
_OLD_RUNS: Final = 50


def collect_rarely(young_allocations: int = YOUNG_ALLOCATIONS) -> None:
    """Leave what was imported out of every search, and search seldom; cycles are still found, memory stays bounded."""
    gc.freeze()
    gc.set_threshold(young_allocations, _MIDDLE_RUNS, _OLD_RUNS)
