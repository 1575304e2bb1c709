"""How often a process that moves many small objects looks for cycles among them.

Batches and stream entries are thousands of tuples without a cycle. Python's default looks through the young ones at
every 700 allocations, and through everything that lives (the gateway's ring, the ledger's caches) far too often: it took
a fifth of ingest's time and a third of the gateway's, as was measured with `pulse bench ingest`.
"""

from __future__ import annotations

import gc
from typing import Final

_YOUNG_ALLOCATIONS: Final = 100_000
_MIDDLE_RUNS: Final = 20
_OLD_RUNS: Final = 50


def collect_rarely() -> None:
    """Leave what was imported out of every search, and search seldom; cycles are still found, memory stays bounded."""
    gc.freeze()
    gc.set_threshold(_YOUNG_ALLOCATIONS, _MIDDLE_RUNS, _OLD_RUNS)
