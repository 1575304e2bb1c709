"""Which configuration is in force: of the entries of a key the nearest wins. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulse_agent.replica.rows import ReplicaRow
from pulse_contracts.configuration import BUILT_IN_KEYS, nearest, parse_config_id
from pulse_contracts.sync import PULL_SECONDS
from pulse_contracts.value_specs import value_problem


@dataclass(frozen=True, slots=True)
class EffectiveValue:
    """The value of a key, and the entry that gives it. A key without an entry is as the agent was started."""

    value: Any
    entry_id: str
    version: int
    is_pending: bool


def effective_values(entries: Mapping[str, ReplicaRow]) -> dict[str, EffectiveValue]:
    """Return, by key, what is in force on this desktop."""
    found = []
    for row in entries.values():
        address = parse_config_id(row.id)
        if address is not None:
            found.append((address, EffectiveValue(row.fields.get("value"), row.id, row.version, row.is_pending)))
    return {key: value for key, (_, value) in nearest(found).items()}


def pull_interval(value: Any) -> float:
    """Return the seconds between pulls that an entry says, or the usual ones when it says nothing sensible."""
    is_fit = value_problem(BUILT_IN_KEYS["sync.pull_interval_s"], value) is None
    return float(value) if is_fit else PULL_SECONDS
