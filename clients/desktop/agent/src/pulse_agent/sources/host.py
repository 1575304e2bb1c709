"""Metrics of this machine through psutil: the default source, so that a fresh install shows something real."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import psutil

from pulse_agent.domain.reading import Value
from pulse_agent.sources.source import SourceOptions
from pulse_agent.sources.timer import TimedSource
from pulse_chassis.clock import Clock

BUSY_CPU_PERCENT: Final = 90.0
LOW_MEMORY_PERCENT: Final = 90.0
LOW_DISK_PERCENT: Final = 95.0
LOOPBACKS: Final = frozenset({"lo", "lo0", "Loopback Pseudo-Interface 1"})
"""Traffic of the machine with itself says nothing about its link."""


class HostMetrics:
    """Reads the machine's counters; rates are over the time since the previous reading."""

    def __init__(self, disk: Path, clock: Clock) -> None:
        self._disk = str(disk)
        self._clock = clock
        self._network: tuple[float, int, int] | None = None
        psutil.cpu_percent()  # the first call only starts the measurement

    def sample(self) -> dict[str, Value]:
        """Return all metrics that this machine has."""
        cpu = psutil.cpu_percent()
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(self._disk)
        metrics: dict[str, Value] = {
            "cpu_percent": cpu,
            "memory_percent": memory.percent,
            "memory_available_bytes": memory.available,
            "disk_percent": disk.percent,
            "disk_free_bytes": disk.free,
            "load_1m": round(psutil.getloadavg()[0], 2),
            "uptime_s": int(time.time() - psutil.boot_time()),
            "host_status": _status(cpu, memory.percent, disk.percent),
        }
        metrics.update(self._network_rates())
        metrics.update(_battery())
        return metrics

    def _network_rates(self) -> dict[str, Value]:
        interfaces = psutil.net_io_counters(pernic=True)
        sent = sum(counters.bytes_sent for name, counters in interfaces.items() if name not in LOOPBACKS)
        received = sum(counters.bytes_recv for name, counters in interfaces.items() if name not in LOOPBACKS)
        now = self._clock.monotonic()
        before, self._network = self._network, (now, sent, received)
        if before is None or now <= before[0]:
            return {}
        seconds = now - before[0]
        return {
            "net_sent_bytes_per_s": round(max(0, sent - before[1]) / seconds, 1),
            "net_recv_bytes_per_s": round(max(0, received - before[2]) / seconds, 1),
        }


def _battery() -> dict[str, Value]:
    """Return what is known of the battery: nothing without one, or where the system tells nothing (as in some containers)."""
    try:
        battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    except OSError:
        return {}
    if battery is None:
        return {}
    return {"on_battery": not battery.power_plugged, "battery_percent": round(float(battery.percent), 1)}


def _status(cpu: float, memory: float, disk: float) -> str:
    if disk >= LOW_DISK_PERCENT:
        return "disk almost full"
    if memory >= LOW_MEMORY_PERCENT:
        return "memory almost full"
    return "busy" if cpu >= BUSY_CPU_PERCENT else "normal"


def create(options: SourceOptions) -> TimedSource:
    """Make the plug-in `host`. Setting `disk`: the path whose disk is measured (default: the agent's folder)."""
    disk = Path(options.settings.get("disk", str(options.data)))
    return TimedSource("host", HostMetrics(disk, options.clock).sample, options.interval, options.clock)
