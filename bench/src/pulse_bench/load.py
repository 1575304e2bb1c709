"""Who makes the load: the compiled pair where it can be had, the broker's own tools where not."""

from __future__ import annotations

from pathlib import Path

from pulse_bench.errors import BenchError
from pulse_bench.native import NativePair, find_native_pair
from pulse_bench.tools import ToolPair, find_tools

LoadPair = NativePair | ToolPair


def find_load_pair(cache: Path) -> tuple[LoadPair, str]:
    """Return a pair, and a sentence for the report about which it is and why.

    Raises:
        BenchError: neither can be had.
    """
    try:
        return find_native_pair(cache), "load and limit by the C publisher and subscriber over libmosquitto"
    except BenchError as reason:
        return find_tools(), f"load and limit by mosquitto_pub -l and mosquitto_sub ({reason})"
