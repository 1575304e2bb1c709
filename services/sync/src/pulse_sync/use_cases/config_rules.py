"""Who may change which configuration entry, and what it may hold: the same rules for the web and for desktops.

An entry for all or for a group needs the permission; one for a device also control of that device. A device that
somebody does not see is answered like one that is not there.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pulse_chassis.errors import ForbiddenError, InvalidError, NotFoundError
from pulse_contracts.configuration import ConfigAddress, ConfigScope, config_id, parse_config_id
from pulse_contracts.permissions import Permission
from pulse_contracts.value_specs import value_problem
from pulse_sync.domain.config_entries import ConfigKey
from pulse_sync.use_cases.config_ports import ConfigActor, ConfigRegistry

MAX_VALUE_BYTES: Final = 12 * 1024
"""So that every entry fits into a desktop's operation, a page and a frame of the live socket."""


def checked_address(scope: ConfigScope, target: str, key: str) -> ConfigAddress:
    """Return the address of an entry; raises InvalidError when nothing can have it."""
    found = parse_config_id(config_id(scope, target, key))
    if found is None or (found.target, found.key) != (target, key):
        field = "path.key" if parse_config_id(config_id(ConfigScope.ALL, "", key)) is None else "path.target"
        message = "no entry can be named like this"
        raise InvalidError(message, code="invalid_address", field=field)
    return found


async def check_sight(actor: ConfigActor, device_id: str, registry: ConfigRegistry) -> tuple[str, ...]:
    """Return a device's groups; raises NotFoundError unless it is there and the actor may see it."""
    groups = await registry.groups(device_id)
    sees_all = Permission.DEVICES_ALL in actor.permissions
    if groups is None or not (sees_all or await registry.level(actor.user_id, device_id)):
        message = "there is no such device"
        raise NotFoundError(message, code="unknown_device", field="device_id")
    return groups


async def check_right(actor: ConfigActor, address: ConfigAddress, registry: ConfigRegistry) -> None:
    """Raise ForbiddenError or NotFoundError unless the actor may change this entry."""
    if Permission.CONFIG_WRITE not in actor.permissions:
        message = f"the permission {Permission.CONFIG_WRITE} is needed"
        raise ForbiddenError(message)
    if address.scope is not ConfigScope.DEVICE:
        return
    await check_sight(actor, address.target, registry)
    if Permission.DEVICES_ALL in actor.permissions:
        return
    if await registry.level(actor.user_id, address.target) not in {"control", "owner"}:
        message = "control of this device is needed to configure it"
        raise ForbiddenError(message, code="device_control_needed")


def check_value(key: ConfigKey | None, value: Any) -> None:
    """Raise InvalidError unless the key is known and its values may be like this."""
    if key is None:
        message = "there is no such key; keys under custom. are to be declared first"
        raise InvalidError(message, code="unknown_config_key", field="path.key")
    problem = value_problem(key.spec, value)
    if problem is None and len(json.dumps(value, ensure_ascii=False).encode()) > MAX_VALUE_BYTES:
        problem = f"must take at most {MAX_VALUE_BYTES} bytes as JSON"
    if problem is not None:
        raise InvalidError(f"{key.key} {problem}", code="invalid_config_value", field="body.value")
