"""What may be allowed, and the three roles that come built in.

A permission is `resource:action`. Custom roles are free combinations of these; a new permission is added here, and
nowhere else.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Permission(StrEnum):
    """Everything that a role can allow."""

    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    ROLES_READ = "roles:read"
    ROLES_WRITE = "roles:write"
    DEVICES_READ = "devices:read"
    DEVICES_WRITE = "devices:write"
    DEVICES_ALL = "devices:all"
    TELEMETRY_READ = "telemetry:read"
    TELEMETRY_WRITE = "telemetry:write"
    COMMANDS_READ = "commands:read"
    COMMANDS_SEND = "commands:send"
    CONFIG_READ = "config:read"
    CONFIG_WRITE = "config:write"
    SYNC_READ = "sync:read"
    SYNC_RESOLVE = "sync:resolve"
    ALERTS_READ = "alerts:read"
    ALERTS_ACKNOWLEDGE = "alerts:acknowledge"
    ALERT_RULES_WRITE = "alert_rules:write"
    AUDIT_READ = "audit:read"
    REPORTS_READ = "reports:read"
    SYSTEM_READ = "system:read"

    @property
    def description(self) -> str:
        """One line for the role editor."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS: Final = {
    Permission.USERS_READ: "See users and their roles",
    Permission.USERS_WRITE: "Create, change, disable and delete users",
    Permission.ROLES_READ: "See roles and permissions",
    Permission.ROLES_WRITE: "Create, change and delete roles",
    Permission.DEVICES_READ: "See one's own and shared devices",
    Permission.DEVICES_WRITE: "Register, enrol, change and remove devices in one's scope",
    Permission.DEVICES_ALL: "See every device, whoever owns it",
    Permission.TELEMETRY_READ: "See readings of devices in one's scope",
    Permission.TELEMETRY_WRITE: "Send readings over HTTP for devices in one's scope",
    Permission.COMMANDS_READ: "See commands and their progress",
    Permission.COMMANDS_SEND: "Send commands to devices in one's scope",
    Permission.CONFIG_READ: "See configuration",
    Permission.CONFIG_WRITE: "Change configuration",
    Permission.SYNC_READ: "See the sync state of desktops, its log and its conflicts",
    Permission.SYNC_RESOLVE: "Resolve conflicts and force a sync",
    Permission.ALERTS_READ: "See alarms and rules",
    Permission.ALERTS_ACKNOWLEDGE: "Acknowledge, comment and clear alarms",
    Permission.ALERT_RULES_WRITE: "Create, change and delete alert rules",
    Permission.AUDIT_READ: "Read the audit log",
    Permission.REPORTS_READ: "Read reports",
    Permission.SYSTEM_READ: "See the state of the system",
}

BUILT_IN_ROLES: Final[dict[str, frozenset[Permission]]] = {
    "admin": frozenset(Permission),
    "operator": frozenset(
        {
            Permission.DEVICES_READ,
            Permission.DEVICES_WRITE,
            Permission.TELEMETRY_READ,
            Permission.TELEMETRY_WRITE,
            Permission.COMMANDS_READ,
            Permission.COMMANDS_SEND,
            Permission.CONFIG_READ,
            Permission.SYNC_READ,
            Permission.ALERTS_READ,
            Permission.ALERTS_ACKNOWLEDGE,
            Permission.REPORTS_READ,
            Permission.SYSTEM_READ,
        }
    ),
    "viewer": frozenset(
        {
            Permission.DEVICES_READ,
            Permission.TELEMETRY_READ,
            Permission.COMMANDS_READ,
            Permission.ALERTS_READ,
            Permission.SYSTEM_READ,
        }
    ),
}
"""Roles that exist from the first start and cannot be deleted."""
