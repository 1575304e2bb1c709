"""Rows of the configuration tables as what they mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from pulse_contracts.configuration import ConfigAddress, ConfigScope
from pulse_contracts.stamps import Stamp
from pulse_contracts.value_specs import ValueSpec
from pulse_sync.domain.config_entries import ConfigEntry, ConfigKey, built_in_keys

ENTRY_COLUMNS: Final = (
    "c.scope, c.target, c.key, cast(c.value as text) as value, c.version, c.stamp, c.updated_by, c.source, c.is_deleted"
)
ONE_ENTRY: Final = text(f"select {ENTRY_COLUMNS} from sync.config_entry c where c.id = :id")  # noqa: S608
_KEYS: Final = text("select key, cast(spec as text) as spec, version, updated_at, updated_by from sync.config_key")


def entry_of(row: Row[Any]) -> ConfigEntry:
    """Return the entry of a row with `ENTRY_COLUMNS`."""
    return ConfigEntry(
        address=ConfigAddress(scope=ConfigScope(row.scope), target=row.target, key=row.key),
        value=None if row.value is None else json.loads(row.value),
        version=row.version,
        stamp=Stamp(row.stamp),
        updated_by=row.updated_by,
        source=row.source,
        is_deleted=row.is_deleted,
    )


async def read_keys(session: AsyncSession) -> Mapping[str, ConfigKey]:
    """Return every key, built-in and custom."""
    custom = {
        row.key: ConfigKey(
            row.key, ValueSpec.model_validate_json(row.spec), row.version, row.updated_at, row.updated_by
        )
        for row in await session.execute(_KEYS)
    }
    return {**custom, **built_in_keys()}
