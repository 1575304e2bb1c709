"""Who may publish and read which topic on the broker: Mosquitto's acl_file.

Accounts live in the dynamic-security file, topics here, once for all devices: `%u` is the account's name, which for a
device is its id. Rewriting a role for each device would stall the broker for longer with every device.
"""

from __future__ import annotations

from pulse_contracts import topics
from pulse_contracts.ids import ClientId

INGEST_ACCOUNT = "svc-ingest"
IDENTITY_ACCOUNT = "svc-identity"
_OWN = ClientId("%u")  # Mosquitto puts the account's name here.
_ANY = ClientId("+")

DEVICE_WRITES = topics.device_writes(_OWN)
DEVICE_READS = topics.device_reads(_OWN)
# For every device alike, so it stands in their shared role: a pattern without the account's name draws a warning.
DEVICE_SHARED_READS = (topics.SYNC_UPDATE_FILTER,)
INGEST_READS = (*topics.UPLINK_FILTERS, topics.BROKER_NOTICES)
INGEST_WRITES = (topics.ack(_ANY),)


def render_acl() -> str:
    """Return the file's text."""
    lines = ["# Generated at every start; see pulse_local.servers.broker_acl."]
    lines += [f"pattern write {topic}" for topic in DEVICE_WRITES]
    lines += [f"pattern read {topic}" for topic in DEVICE_READS]
    lines += ["", f"user {INGEST_ACCOUNT}"]
    lines += [f"topic read {topic}" for topic in INGEST_READS]
    lines += [f"topic write {topic}" for topic in INGEST_WRITES]
    return "\n".join(lines) + "\n"
