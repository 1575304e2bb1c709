"""The shapes of requests and answers about configuration. A field may be added; nothing else changes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pulse_contracts.configuration import ConfigKeyField
from pulse_contracts.frames import LivePosition
from pulse_contracts.value_specs import ValueSpec
from pulse_sync.domain.config_entries import ConfigChange, ConfigEntry, ConfigKey, Difference, Setting
from pulse_sync.http.schemas import Answer
from pulse_sync.use_cases.config_ports import AppliedView

Scope = Literal["all", "group", "device"]
Value = Annotated[Any, Field(description="what the key's spec allows")]


class Body(BaseModel):
    """A request's body: an unknown field is a mistake that must not go unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ValueBody(Body):
    """An entry's value."""

    value: Value


class KeyBody(Body):
    """What a key's values may be."""

    spec: ValueSpec


class NewKeyBody(KeyBody):
    """A new key, under `custom.`."""

    key: ConfigKeyField


class KeyAnswer(Answer):
    """A key and what its values may be."""

    key: str
    spec: ValueSpec
    is_built_in: bool
    version: Annotated[int, Field(description="0: built in")]
    updated_at: datetime | None
    updated_by: str | None

    @classmethod
    def of(cls, key: ConfigKey) -> KeyAnswer:
        """Return the answer for a key."""
        return cls(
            key=key.key, spec=key.spec, is_built_in=key.is_built_in, version=key.version, updated_at=key.updated_at,
            updated_by=key.updated_by,
        )  # fmt: skip


class KeyList(Answer):
    """Every key."""

    items: list[KeyAnswer]


class EntryAnswer(Answer):
    """An entry: for whom it holds, and what it says."""

    id: str
    scope: Scope
    target: Annotated[str, Field(description="group or device id; empty for all")]
    key: str
    value: Value
    version: int
    updated_at: datetime
    updated_by: Annotated[str | None, Field(description="user id")]
    source: Literal["web", "desktop"]

    @classmethod
    def of(cls, entry: ConfigEntry) -> EntryAnswer:
        """Return the answer for an entry."""
        return cls(
            id=entry.id, scope=entry.address.scope.value, target=entry.address.target, key=entry.address.key,
            value=entry.value, version=entry.version, updated_at=entry.updated_at, updated_by=entry.updated_by,
            source=entry.source,
        )  # fmt: skip


class EntryPage(Answer):
    """A page of entries by id; `live` is where a socket can go on from."""

    items: list[EntryAnswer]
    total: int
    page: int
    limit: int
    live: LivePosition | None


class ChangeAnswer(Answer):
    """One version of an entry; no value on one side means that there was, or is, none."""

    version: int
    before: Value
    after: Value
    at: datetime
    updated_by: str | None
    source: Literal["web", "desktop"]

    @classmethod
    def of(cls, change: ConfigChange) -> ChangeAnswer:
        """Return the answer for a change."""
        return cls(
            version=change.version, before=change.before, after=change.after, at=change.at,
            updated_by=change.updated_by, source=change.source,
        )  # fmt: skip


class ChangePage(Answer):
    """A page of an entry's history, newest first."""

    items: list[ChangeAnswer]
    total: int
    page: int
    limit: int


class SettingAnswer(Answer):
    """What holds for one key on a device, and where it comes from."""

    key: str
    value: Value
    is_default: bool
    entry: EntryAnswer | None
    applied_version: int | None
    applied_at: datetime | None
    error: Annotated[str | None, Field(description="why the device could not apply it")]
    is_in_force: Annotated[bool | None, Field(description="null: there is no entry to apply")]

    @classmethod
    def of(cls, setting: Setting) -> SettingAnswer:
        """Return the answer for a setting."""
        applied = setting.applied
        return cls(
            key=setting.key,
            value=setting.value,
            is_default=setting.entry is None,
            entry=None if setting.entry is None else EntryAnswer.of(setting.entry),
            applied_version=None if applied is None else applied.version,
            applied_at=None if applied is None else applied.at,
            error=None if applied is None else applied.error,
            is_in_force=setting.is_in_force,
        )


class EffectiveAnswer(Answer):
    """What holds on a device, by key."""

    device_id: str
    items: list[SettingAnswer]


class DifferenceAnswer(Answer):
    """A key that holds something else on the two sides."""

    key: str
    left: SettingAnswer
    right: SettingAnswer

    @classmethod
    def of(cls, difference: Difference) -> DifferenceAnswer:
        """Return the answer for a difference."""
        return cls(
            key=difference.key, left=SettingAnswer.of(difference.left), right=SettingAnswer.of(difference.right)
        )  # fmt: skip


class DiffAnswer(Answer):
    """The keys that differ; none when both sides are the same."""

    items: list[DifferenceAnswer]


class AppliedAnswer(Answer):
    """An entry that shall be in force on a desktop, and what the desktop said of it."""

    device_id: str
    entry: EntryAnswer
    applied_version: int | None
    applied_at: datetime | None
    error: str | None
    is_in_force: bool

    @classmethod
    def of(cls, view: AppliedView) -> AppliedAnswer:
        """Return the answer for a desktop's entry."""
        setting = Setting(view.entry.address.key, view.entry.value, view.entry, view.applied)
        return cls(
            device_id=view.device_id,
            entry=EntryAnswer.of(view.entry),
            applied_version=None if view.applied is None else view.applied.version,
            applied_at=None if view.applied is None else view.applied.at,
            error=None if view.applied is None else view.applied.error,
            is_in_force=bool(setting.is_in_force),
        )


class AppliedPage(Answer):
    """A page of what desktops applied, by desktop and key."""

    items: list[AppliedAnswer]
    total: int
    page: int
    limit: int
