"""A device is looked at once, at the earliest time that was asked for, and in the order of times."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulse_alerts.domain.timers import Timers

waits = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 50)), max_size=30)


@given(st.lists(st.tuples(waits, st.integers(0, 50)), max_size=6))
def test_each_device_is_due_once_at_the_earliest_of_its_times(rounds: list[tuple[list[tuple[str, int]], int]]) -> None:
    timers, wanted = Timers(), dict[str, int]()
    for asked, until in rounds:
        for device, at in asked:
            timers.wait(device, at)
            wanted[device] = min(at, wanted.get(device, at))
        found = timers.due(until)
        assert sorted(found) == sorted(device for device, at in wanted.items() if at <= until)
        assert [wanted[device] for device in found] == sorted(wanted[device] for device in found)
        wanted = {device: at for device, at in wanted.items() if at > until}
