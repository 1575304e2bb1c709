"""What identity counts."""

from __future__ import annotations

from typing import Literal

from prometheus_client import CollectorRegistry

from pulse_chassis.metrics import Counters, Gauges

CounterName = Literal[
    "sign_ins",
    "sign_ins_refused",
    "refreshes",
    "refreshes_refused",
    "devices_registered",
    "devices_enrolled",
    "enrolments_refused",
    "device_keys_rotated",
    "broker_accounts_deleted",
    "broker_accounts_switched",
    "device_key_handovers_finished",
    "operations_applied",
    "operations_lost",
    "operations_rejected",
]
GaugeName = Literal["broker_accounts_missing", "password_checks_pending"]


def counters(registry: CollectorRegistry) -> Counters[CounterName]:
    """Return the counters, `identity_<name>_total`."""
    return Counters(
        registry,
        "identity",
        {
            "sign_ins": "Sessions opened with a password",
            "sign_ins_refused": "Sign-ins that were wrong, too early or too many",
            "refreshes": "Refresh tokens turned in",
            "refreshes_refused": "Refresh tokens that were unknown, expired or reused",
            "devices_registered": "Devices registered by people",
            "devices_enrolled": "Devices enrolled with a code",
            "enrolments_refused": "Enrolments with a wrong code, or too many",
            "device_keys_rotated": "API keys replaced",
            "broker_accounts_deleted": "Broker accounts without a device that the reconciler removed",
            "broker_accounts_switched": "Broker accounts that the reconciler enabled or disabled",
            "device_key_handovers_finished": "Key rotations left half done that the reconciler finished",
            "operations_applied": "Desktops' edits of people and roles that were applied",
            "operations_lost": "Desktops' edits that lost a conflict",
            "operations_rejected": "Desktops' edits that were refused",
        },
    )


def gauges(registry: CollectorRegistry) -> Gauges[GaugeName]:
    """Return the gauges, `identity_<name>`."""
    return Gauges(
        registry,
        "identity",
        {
            "broker_accounts_missing": "Devices without a broker account; they need a rotated key",
            "password_checks_pending": "Password hashes that run or wait",
        },
    )
