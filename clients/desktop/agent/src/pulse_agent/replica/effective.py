"""Which configuration is in force: of the entries of a key the nearest wins. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulse_agent.configuration.entries import ConfigEntry
from pulse_agent.replica.rows import ReplicaRow
from pulse_contracts.configuration import BUILT_IN_KEYS, nearest, parse_config_id
from pulse_contracts.sync import PULL_SECONDS
from pulse_contracts.value_specs import value_problem


def effective_entries(rows: Mapping[str, ReplicaRow]) -> dict[str, ConfigEntry]:
    """Return, by key, the entry in force on this desktop; a key without one is as the agent was started."""
    found = []
    for row in rows.values():
        address = parse_config_id(row.id)
        if address is not None:
            found.append((address, ConfigEntry(row.id, address.key, row.fields.get("value"), row.version)))
    return {key: entry for key, (_, entry) in nearest(found).items()}


def pull_interval(value: Any) -> float:
    """Return the seconds between pulls that an entry says, or the usual ones when it says nothing sensible."""
    is_fit = value_problem(BUILT_IN_KEYS["sync.pull_interval_s"], value) is None
    return float(value) if is_fit else PULL_SECONDS
