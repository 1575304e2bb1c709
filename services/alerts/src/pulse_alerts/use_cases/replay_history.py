"""What rules would have found in stored readings: for looks into the past, and for trying a rule before it is saved.

Readings are taken in the order of their times, as if each had come at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulse_alerts.domain.compiled_rule import compile_rules
from pulse_alerts.domain.evaluator import DeviceEvaluator, Finding
from pulse_alerts.domain.partitions import partition_of
from pulse_alerts.domain.rule import Rule
from pulse_alerts.use_cases.ports import Device, History


@dataclass(frozen=True, slots=True)
class Replay:
    """What was found on a device, in order; `last_ms` is the newest reading's time, None without any."""

    findings: Sequence[Finding]
    readings: int
    last_ms: int | None
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which part of the past, and how many readings of it at most."""

    from_ms: int
    to_ms: int
    most_readings: int
    most_findings: int


async def replay_history(
    history: History, rules: Sequence[Rule], device: Device, series: Mapping[str, int], stretch: Stretch
) -> Replay:
    """Return what these rules would have found. Raises UnavailableError."""
    evaluator = DeviceEvaluator(
        device.device_id, partition_of(device.device_id), compile_rules(rules)(device.device_id, device.groups)
    )
    watched = {
        metric: number for metric, number in series.items() if evaluator.hears_all or evaluator.is_watched(metric)
    }
    readings, last_ms = 0, None
    if watched:
        async for samples in history.recorded(watched, stretch.from_ms, stretch.to_ms):
            for sample in samples:
                evaluator.observe(sample.at_ms, sample.at_ms, {sample.metric: sample.value})
            readings += len(samples)
            last_ms = samples[-1].at_ms
            if readings >= stretch.most_readings or len(evaluator.findings) >= stretch.most_findings:
                return Replay(evaluator.findings[: stretch.most_findings], readings, last_ms, is_complete=False)
    return Replay(evaluator.findings, readings, last_ms, is_complete=True)
