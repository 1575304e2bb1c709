"""Who may publish and read which topic on the broker: Mosquitto's acl_file.

Accounts live in the dynamic-security file, topics here, once for all devices: `%u` is the account's name, which for a
device is its id. Rewriting a role for each device would stall the broker for longer with every device.
"""

from __future__ import annotations

from pulse_contracts import topics
from pulse_contracts.broker_accounts import SERVICE_READS, SERVICE_WRITES
from pulse_contracts.ids import ClientId

_OWN = ClientId("%u")  # Mosquitto puts the account's name here.

DEVICE_WRITES = topics.device_writes(_OWN)
DEVICE_READS = topics.device_reads(_OWN)
# For every device alike, so it stands in their shared role: a pattern without the account's name draws a warning.
DEVICE_SHARED_READS = (topics.SYNC_UPDATE_FILTER,)


def render_acl() -> str:
    """Return the file's text."""
    lines = ["# Generated at every start; see pulse_local.servers.broker_acl."]
    lines += [f"pattern write {topic}" for topic in DEVICE_WRITES]
    lines += [f"pattern read {topic}" for topic in DEVICE_READS]
    for account, reads in SERVICE_READS.items():
        lines += ["", f"user {account}"]
        lines += [f"topic read {topic}" for topic in reads]
        lines += [f"topic write {topic}" for topic in SERVICE_WRITES[account]]
    return "\n".join(lines) + "\n"
