"""Configuration by key and scope: the keys that come built in, and how an entry is named.

Of the entries of one key the nearest wins: the device's own, then those of its groups (the first group by name), then
the one for all, then the key's default. Keys under `custom.` are added by administrators; agents hand them to plug-ins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, StringConstraints

from pulse_contracts.ids import is_client_id
from pulse_contracts.value_specs import ValueSpec, ValueType

CONFIG_KEY_PATTERN: Final = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){0,7}$"
MAX_KEY_CHARS: Final = 96
MAX_GROUP_CHARS: Final = 64
CUSTOM_PREFIX: Final = "custom."
_KEY: Final = re.compile(CONFIG_KEY_PATTERN)

ConfigKeyField = Annotated[str, StringConstraints(pattern=CONFIG_KEY_PATTERN, max_length=MAX_KEY_CHARS)]


class ConfigScope(StrEnum):
    """For whom an entry holds, widest first."""

    ALL = "all"
    GROUP = "group"
    DEVICE = "device"


class ConfigAddress(BaseModel):
    """Which entry: scope, the group's name or device's id (empty for all), key."""

    model_config = ConfigDict(frozen=True)

    scope: ConfigScope
    target: str
    key: str


_SCOPES: Final = frozenset(scope.value for scope in ConfigScope)


def config_id(scope: ConfigScope, target: str, key: str) -> str:
    """Return the entry's id as a synced row: `device/D-1/telemetry.interval_ms`, `all//log.level`."""
    return f"{scope.value}/{target}/{key}"


def parse_config_id(row_id: str) -> ConfigAddress | None:
    """Read an id; None when it names no possible entry."""
    scope_text, _, rest = row_id.partition("/")
    target, slash, key = rest.rpartition("/")
    if not slash or scope_text not in _SCOPES or len(key) > MAX_KEY_CHARS or _KEY.fullmatch(key) is None:
        return None
    scope = ConfigScope(scope_text)
    is_fit = {
        ConfigScope.ALL: not target,
        ConfigScope.GROUP: 0 < len(target) <= MAX_GROUP_CHARS and target.isprintable(),
        ConfigScope.DEVICE: is_client_id(target),
    }[scope]
    return ConfigAddress(scope=scope, target=target, key=key) if is_fit else None


BUILT_IN_KEYS: Final[dict[str, ValueSpec]] = {
    "telemetry.interval_ms": ValueSpec(
        type=ValueType.INTEGER,
        description="Time between samples of each source on a timer",
        default=1000,
        unit="ms",
        minimum=10,
        maximum=86_400_000,
    ),
    "telemetry.sources": ValueSpec(
        type=ValueType.TEXT_LIST,
        description="Sources that run, each as name or name:key=value,…; none given: what the agent was started with",
        max_length=512,
    ),
    "outbox.max_bytes": ValueSpec(
        type=ValueType.INTEGER,
        description="Room for readings that are not delivered yet",
        default=1024 * 1024 * 1024,
        unit="bytes",
        minimum=1024 * 1024,
        maximum=2**50,
    ),
    "outbox.max_age_s": ValueSpec(
        type=ValueType.INTEGER,
        description="Undelivered readings older than this may be dropped, with a record; 0: never",
        default=0,
        unit="s",
        minimum=0,
        maximum=10 * 366 * 86_400,
    ),
    "outbox.policy": ValueSpec(
        type=ValueType.TEXT,
        description="What to do when the room is used up",
        default="drop_oldest",
        choices=["reject_new", "drop_oldest", "thin"],
    ),
    "log.level": ValueSpec(
        type=ValueType.TEXT,
        description="How much the agent logs",
        default="INFO",
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
    ),
    "sync.pull_interval_s": ValueSpec(
        type=ValueType.INTEGER,
        description="How often a desktop asks for changes that it heard no poke of",
        default=60,
        unit="s",
        minimum=5,
        maximum=3600,
    ),
    "updates.mode": ValueSpec(
        type=ValueType.TEXT,
        description="What a desktop does about newer releases: nothing, tell of them, or download one that is asked for",
        default="download",
        choices=["off", "tell", "download"],
    ),
}
"""Keys that every agent understands. A key that is neither here nor declared under `custom.` is refused."""


def nearest(entries: Iterable[tuple[ConfigAddress, Any]]) -> dict[str, tuple[ConfigAddress, Any]]:
    """Return, by key, the entry that wins among those that concern one device."""
    chosen: dict[str, tuple[ConfigAddress, Any]] = {}
    for address, value in entries:
        held = chosen.get(address.key)
        if held is None or _nearness(address) < _nearness(held[0]):
            chosen[address.key] = (address, value)
    return chosen


def _nearness(address: ConfigAddress) -> tuple[int, str]:
    order = {ConfigScope.DEVICE: 0, ConfigScope.GROUP: 1, ConfigScope.ALL: 2}
    return order[address.scope], address.target
