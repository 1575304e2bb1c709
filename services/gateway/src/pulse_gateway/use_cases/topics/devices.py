"""`devices`: every device in scope with what identity and ingest know of it, as keyed state."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from pulse_contracts.frames import Position, Topic
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.devices import DeviceEntry
from pulse_gateway.domain.scope import Scope
from pulse_gateway.use_cases.topics.state_topic import KeyedTopic


class Devices(KeyedTopic):
    """The topic over the devices held in memory."""

    name = Topic.DEVICES
    permission = Permission.DEVICES_READ
    default_interval_ms = 250

    @override
    def key_of(self, entry: DeviceEntry) -> str:
        return entry.change.device_id

    @override
    def must_renew(self, scope: Scope, since: Position, missed: Sequence[DeviceEntry]) -> bool:
        if super().must_renew(scope, since, missed):
            return True
        if scope.sees_all:
            return False
        # A device that is not visible now may have been: naming it as gone would tell a stranger that it existed.
        return any(
            (entry.change.is_deleted or entry.change.registration is not None)
            and not scope.sees(entry.change.device_id)
            for entry in missed
        )
