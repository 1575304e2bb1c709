"""This machine's own metrics: what a system does not tell is left out, and takes nothing else with it."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from pulse_agent.sources.host import HostMetrics
from pulse_chassis.clock import SystemClock


def test_a_system_that_tells_nothing_of_its_battery_tells_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untold() -> None:
        raise FileNotFoundError("/sys/class/power_supply")

    monkeypatch.setattr(psutil, "sensors_battery", untold, raising=False)
    metrics = HostMetrics(tmp_path, SystemClock()).sample()
    assert {"cpu_percent", "memory_percent", "disk_percent"} <= metrics.keys()
    assert "battery_percent" not in metrics
