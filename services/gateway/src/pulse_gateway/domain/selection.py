"""What of a topic a subscription wants, and whom that is resolved to within a scope.

A foreign device, an absent one and an empty group all resolve to nothing: a filter never tells what exists.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from pulse_contracts.frames import Filter
from pulse_gateway.domain.scope import Scope


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter in a form that compares and hashes; None means everything."""

    device_ids: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    metrics: frozenset[str] | None = None
    severity: frozenset[str] | None = None

    @classmethod
    def of(cls, wanted: Filter) -> Selection:
        """Take a filter as a client sent it."""
        return cls(_set(wanted.device_ids), _set(wanted.groups), _set(wanted.metrics), _set(wanted.severity))


class Audience:
    """A scope and a selection, resolved to the devices that may and shall be seen."""

    __slots__ = ("devices", "metrics", "scope_key", "selection")

    def __init__(self, scope: Scope, selection: Selection, groups: Mapping[str, frozenset[str]]) -> None:
        self.scope_key = scope.key
        self.selection = selection
        self.metrics = selection.metrics
        self.devices = resolve(scope, selection, groups)
        """None means every device there is."""

    def sees(self, device_id: str) -> bool:
        """Tell whether something of this device may go out."""
        return self.devices is None or device_id in self.devices

    def wants(self, severity: str | None) -> bool:
        """Tell whether something of this severity, or of none, is asked for."""
        return severity is None or self.selection.severity is None or severity in self.selection.severity


class AllBut(Container[str]):
    """Every device except those: what a user who saw all sees no more."""

    def __init__(self, kept: Container[str]) -> None:
        self._kept = kept

    def __contains__(self, device_id: object) -> bool:
        return device_id not in self._kept


def resolve(scope: Scope, selection: Selection, groups: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
    """Return the devices in scope that the selection means; `groups` maps a group to its devices."""
    visible = scope.visible
    for wanted in (selection.device_ids, _members(selection.groups, groups)):
        if wanted is not None:
            visible = wanted if visible is None else visible & wanted
    return visible


def _members(names: frozenset[str] | None, groups: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
    if names is None:
        return None
    return frozenset().union(*(groups.get(name, frozenset()) for name in names))


def _set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)
