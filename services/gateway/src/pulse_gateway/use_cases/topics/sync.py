"""`sync`: how far each desktop in scope is, as keyed state by device id."""

from __future__ import annotations

from typing_extensions import override

from pulse_contracts.frames import Topic
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.desktops import DesktopEntry
from pulse_gateway.use_cases.topics.state_topic import KeyedTopic


class Sync(KeyedTopic):
    """The topic over the desktops held in memory."""

    name = Topic.SYNC
    permission = Permission.SYNC_READ
    default_interval_ms = 250

    @override
    def key_of(self, entry: DesktopEntry) -> str:
        return entry.change.device_id
