"""`config`: the configuration entries for the devices in scope, for groups and for all, as keyed state by entry id."""

from __future__ import annotations

from typing_extensions import override

from pulse_contracts.frames import Topic
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.settings_book import ConfigEntry
from pulse_gateway.use_cases.topics.state_topic import KeyedTopic


class Config(KeyedTopic):
    """The topic over the entries held in memory."""

    name = Topic.CONFIG
    permission = Permission.CONFIG_READ
    default_interval_ms = 250

    @override
    def key_of(self, entry: ConfigEntry) -> str:
        return entry.change.id
