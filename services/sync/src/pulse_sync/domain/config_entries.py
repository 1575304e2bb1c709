"""Configuration entries: what each is and was, what a key takes, and which of them is in force on a device. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pulse_contracts.configuration import BUILT_IN_KEYS, CUSTOM_PREFIX, ConfigAddress, config_id, nearest
from pulse_contracts.operations import SyncedRow
from pulse_contracts.stamps import Stamp, stamp_milliseconds
from pulse_contracts.streams import ConfigChanged
from pulse_contracts.value_specs import ValueSpec, ValueType, value_problem
from pulse_sync.domain.rows import LogRow

MAX_CUSTOM_KEYS: Final = 500
Source = Literal["web", "desktop"]


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """An entry as it is; one that was deleted has no value and keeps its version."""

    address: ConfigAddress
    value: Any
    version: int
    stamp: Stamp
    updated_by: str | None
    source: Source
    is_deleted: bool = False

    @property
    def id(self) -> str:
        """Its id as a synced row."""
        return config_id(self.address.scope, self.address.target, self.address.key)

    @property
    def fields(self) -> dict[str, Any]:
        """Its fields as a synced row."""
        return {} if self.is_deleted else {"value": self.value}

    @property
    def updated_at(self) -> datetime:
        """When it was last changed, by its stamp."""
        return datetime.fromtimestamp(stamp_milliseconds(self.stamp) / 1000, UTC)

    def log_row(self) -> LogRow:
        """Return what the change log gets."""
        return LogRow(
            "config", self.id, self.version, self.stamp, self.updated_by, self.source, self.fields,
            is_deleted=self.is_deleted,
        )  # fmt: skip

    def synced_row(self) -> SyncedRow:
        """Return what a desktop gets."""
        return SyncedRow(
            entity="config", id=self.id, version=self.version, updated_at=self.stamp, updated_by=self.updated_by,
            source=self.source, deleted=self.is_deleted, fields=self.fields,
        )  # fmt: skip

    def changed_event(self) -> ConfigChanged:
        """Return what `pulse:config` is told."""
        return ConfigChanged(
            id=self.id, scope=self.address.scope.value, target=self.address.target, key=self.address.key,
            value=self.value, version=self.version, updated_at=stamp_milliseconds(self.stamp),
            updated_by=self.updated_by, source=self.source, is_deleted=self.is_deleted,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """A key and what its values may be; built-in keys have version 0 and never change."""

    key: str
    spec: ValueSpec
    version: int = 0
    updated_at: datetime | None = None
    updated_by: str | None = None

    @property
    def is_built_in(self) -> bool:
        """Whether every agent understands it."""
        return self.version == 0


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One version of an entry: the value before and after, None where there was none."""

    version: int
    before: Any
    after: Any
    at: datetime
    updated_by: str | None
    source: Source


@dataclass(frozen=True, slots=True)
class AppliedVersion:
    """What a desktop made of an entry."""

    entry_id: str
    version: int
    error: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Setting:
    """What holds for one key on one device: an entry's value, or (`entry` None) the key's default."""

    key: str
    value: Any
    entry: ConfigEntry | None
    applied: AppliedVersion | None

    @property
    def is_in_force(self) -> bool | None:
        """Whether the device said that it applied this very version; None where there is no entry to apply."""
        if self.entry is None:
            return None
        applied = self.applied
        return applied is not None and applied.version == self.entry.version and applied.error is None


@dataclass(frozen=True, slots=True)
class Difference:
    """A key that holds something else on the two sides."""

    key: str
    left: Setting
    right: Setting


def built_in_keys() -> dict[str, ConfigKey]:
    """Return the keys that every agent understands."""
    return {key: ConfigKey(key, spec) for key, spec in BUILT_IN_KEYS.items()}


def effective_settings(
    keys: Mapping[str, ConfigKey], entries: Iterable[ConfigEntry], applied: Iterable[AppliedVersion]
) -> list[Setting]:
    """Return what holds on a device, by key, out of the entries that concern it (its own, its groups', everybody's)."""
    chosen = nearest((entry.address, entry) for entry in entries)
    told = {version.entry_id: version for version in applied}
    settings = []
    for key in sorted({*keys, *chosen}):
        entry: ConfigEntry | None = chosen[key][1] if key in chosen else None
        default = keys[key].spec.default if key in keys else None
        settings.append(
            Setting(key, default, None, None) if entry is None else Setting(key, entry.value, entry, told.get(entry.id))
        )
    return settings


def differences(left: Iterable[Setting], right: Iterable[Setting]) -> list[Difference]:
    """Return the keys whose values differ."""
    others = {setting.key: setting for setting in right}
    mine = {setting.key: setting for setting in left}
    return [
        Difference(
            key,
            mine.get(key) or Setting(key, None, None, None),
            others.get(key) or Setting(key, None, None, None),
        )
        for key in sorted({*mine, *others})
        if _value(mine.get(key)) != _value(others.get(key))
    ]


def spec_problem(spec: ValueSpec) -> tuple[str, str] | None:
    """Return which field of a new key's spec is wrong, and why; None when it makes sense."""
    for name, bound in (("minimum", spec.minimum), ("maximum", spec.maximum)):
        if bound is not None and not math.isfinite(bound):
            return name, "must be a finite number"
    if spec.minimum is not None and spec.maximum is not None and spec.minimum > spec.maximum:
        return "maximum", "must not be below minimum"
    if spec.choices is not None and spec.type not in {ValueType.TEXT, ValueType.TEXT_LIST}:
        return "choices", "only texts can be chosen from a list"
    if any(value_problem(ValueSpec(type=ValueType.TEXT), choice) for choice in spec.choices or ()):
        return "choices", "must be texts of at most 256 characters"
    texts = {"description": spec.description, "unit": spec.unit or ""}
    for name, given in texts.items():
        if value_problem(ValueSpec(type=ValueType.TEXT, max_length=500), given):
            return name, "must be a text without control characters"
    problem = None if spec.default is None else value_problem(spec, spec.default)
    return None if problem is None else ("default", problem)


def is_custom_key(key: str) -> bool:
    """Tell whether administrators may add and remove this key."""
    return key.startswith(CUSTOM_PREFIX)


def _value(setting: Setting | None) -> Any:
    # Told apart by type as well: true is not 1.
    return None if setting is None else (type(setting.value), setting.value)
