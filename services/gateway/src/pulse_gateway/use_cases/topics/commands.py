"""`commands`: every step of every command to a device in scope, as a log."""

from __future__ import annotations

from pulse_contracts.frames import Topic
from pulse_contracts.permissions import Permission
from pulse_gateway.use_cases.topics.log_topic import LogTopic


class Commands(LogTopic):
    """The topic over the steps as the service `commands` tells them."""

    name = Topic.COMMANDS
    permission = Permission.COMMANDS_READ
