"""The queries that many panels share."""

from __future__ import annotations

R = "$__rate_interval"
LATE = (("orange", 1.0), ("red", 2.0))
"""Seconds of ack lag: the objective, and what PulseIngestAckLag fires at."""


def quantiles(bucket: str, matchers: str = "$ns") -> dict[str, str]:
    """Return the median and the 95th and 99th percentile of a histogram."""
    return {
        f"{name}": f"histogram_quantile({share}, sum by (le) (rate({bucket}{{{matchers}}}[{R}])))"
        for name, share in (("median", 0.5), ("95 %", 0.95), ("99 %", 0.99))
    }


def per_second(metric: str, by: str = "", matchers: str = "$ns") -> str:
    """Return the rate of a counter, of all processes together."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({metric}{{{matchers}}}[{R}]))"


def budget(rule: str, allowed: float) -> str:
    """Return how much of a budget of errors is left over the shown time."""
    return f"1 - avg_over_time({rule}:ratio_rate1h{{$ns}}[$__range]) / {allowed}"


def burn(rule: str, allowed: float) -> dict[str, str]:
    """Return how many times faster than allowed a budget is spent, by window."""
    return {window: f"{rule}:ratio_rate{window}{{$ns}} / {allowed}" for window in ("5m", "1h", "6h")}
