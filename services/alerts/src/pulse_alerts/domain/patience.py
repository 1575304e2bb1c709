"""How long evaluation lets things take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Patience:
    """Leases and commits; how long after an outage silence means nothing; how far back late readings count."""

    lease_seconds: float
    flush_seconds: float
    settle_seconds: float
    late_lookback: timedelta
