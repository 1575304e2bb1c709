"""Rules, devices and series, as they were read last and as far as they are of one worker's partitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulse_alerts.domain.compiled_rule import CompiledRule, compile_rules
from pulse_alerts.domain.evaluator import DeviceEvaluator
from pulse_alerts.domain.partitions import partition_of
from pulse_alerts.domain.rule import Rule
from pulse_alerts.use_cases.ports import Device, EvaluationStore


class Roster:
    """`devices` and `series` (its number by metric) are by device; `names` is what devices are called."""

    def __init__(self, store: EvaluationStore) -> None:
        self._store = store
        self._rules_for = compile_rules([])
        self.mine: frozenset[int] = frozenset()
        """Which partitions are this worker's; it is set before anything is read."""
        self.rules: list[Rule] = []
        self.devices: dict[str, Device] = {}
        self.names: dict[str, str] = {}
        self.series: dict[str, dict[str, int]] = {}

    async def read_rules(self) -> int:
        """Read all rules; return the count of their changes. Raises UnavailableError."""
        revision, self.rules = await self._store.rules()
        self._rules_for = compile_rules(self.rules)
        return revision

    async def read_registry(self) -> None:
        """Read devices and series. Raises UnavailableError."""
        devices = await self._store.devices()
        self.devices = {one.device_id: one for one in devices if partition_of(one.device_id) in self.mine}
        self.names = {one.device_id: one.name for one in self.devices.values()}
        series = await self._store.series()
        self.series = {device_id: numbers for device_id, numbers in series.items() if device_id in self.devices}

    def rules_for(self, device: Device) -> list[CompiledRule]:
        """Return the enabled rules for a device."""
        return self._rules_for(device.device_id, device.groups)

    def as_it_was(self, device_id: str, kept: Mapping[str, Any]) -> DeviceEvaluator:
        """Return the evaluator of a device with the rules that stood on it, whether they still are for it or not."""
        stood = [rule for rule in self.rules if rule.content.is_enabled and str(rule.id) in kept["standings"]]
        former = DeviceEvaluator(device_id, partition_of(device_id), [CompiledRule(rule) for rule in stood])
        former.load(kept)
        return former
