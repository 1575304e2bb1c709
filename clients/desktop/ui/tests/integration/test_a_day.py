"""An open window costs no more memory by the hour. The whole day is `pulse bench desktop`."""

from __future__ import annotations

from pathlib import Path

from pulse_simulator.hurried_desk import measure_window

from .desk import PASSWORD, enrol_offline

QUARTER_OF_AN_HOUR = 900
MAX_GROWTH_MIB = 5.0
"""A quarter of an hour's share of a day's 20 MB is 0.2; the rest is for what the allocator keeps."""


async def test_a_quarter_of_an_hour_with_the_window_open_costs_no_memory(data: Path) -> None:
    enrol_offline(data)
    figure = await measure_window(data, ("anna", PASSWORD), readings=QUARTER_OF_AN_HOUR)
    assert figure.growth_mib < MAX_GROWTH_MIB, figure
    assert figure.shown == QUARTER_OF_AN_HOUR, figure
