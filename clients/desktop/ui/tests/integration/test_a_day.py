"""An open window takes no more memory by the hour. The whole day is `pulse bench desktop`."""

from __future__ import annotations

from pathlib import Path

from pulse_simulator.hurried_desk import measure_window

from .desk import PASSWORD, enrol_offline

WARM_UP, READINGS, AHEAD = 100, 300, 10
MAX_GROWTH_MIB = 5.0
"""These readings' share of a day's 20 MB is 0.1; the rest is for the chart, and for what the allocator keeps."""


async def test_readings_that_are_shown_cost_no_memory(data: Path) -> None:
    enrol_offline(data)
    figure = await measure_window(data, ("anna", PASSWORD), readings=READINGS, warm_up=WARM_UP, ahead=AHEAD)
    assert figure.growth_mib < MAX_GROWTH_MIB, figure
    assert figure.shown >= READINGS / AHEAD, figure
