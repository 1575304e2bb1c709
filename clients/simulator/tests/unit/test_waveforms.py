"""A run can be repeated exactly, and looks like a plant rather than like noise."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pulse_simulator.waveforms import STATUS_TEXTS, Reading, Waveform


def readings(seed: int, device: str, count: int) -> list[Reading]:
    waveform = Waveform(seed, device)
    return [waveform.next_reading() for _ in range(count)]


@given(st.integers(), st.text(max_size=20))
def test_same_seed_and_device_give_the_same_readings(seed: int, device: str) -> None:
    assert readings(seed, device, 20) == readings(seed, device, 20)


def test_another_device_or_seed_gives_other_readings() -> None:
    first = readings(1, "sim-1", 5)
    assert first != readings(1, "sim-2", 5)
    assert first != readings(2, "sim-1", 5)


def test_another_process_gives_the_same_readings() -> None:
    code = "from pulse_simulator.waveforms import Waveform; print(Waveform(7, 'sim-1').next_reading())"
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert other.stdout.strip() == str(readings(7, "sim-1", 1)[0])


@given(st.integers(0, 50))
def test_every_kind_of_value_is_there_and_plausible(seed: int) -> None:
    seen = readings(seed, "sim-1", 300)
    for reading in seen:
        assert -10 < reading["temperature"] < 60  # type: ignore[operator]
        assert 0 <= reading["humidity"] <= 100  # type: ignore[operator]
        assert type(reading["produced"]) is int
        assert type(reading["is_open"]) is bool
        assert reading["status"] in STATUS_TEXTS
    produced = [reading["produced"] for reading in seen]
    assert produced == sorted(produced)  # type: ignore[type-var]
    temperatures = [float(reading["temperature"]) for reading in seen]
    assert max(temperatures) - min(temperatures) > 2.0, "a wave must be seen within its period"


def test_booleans_flip_now_and_then() -> None:
    states = [reading["is_open"] for reading in readings(3, "sim-1", 500)]
    flips = sum(a != b for a, b in pairwise(states))
    assert 1 <= flips <= 40
