"""The services' accounts on the broker, and which topics each may use: the same with Mosquitto and with EMQX.

Of devices `topics.device_writes` and `topics.device_reads` say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pulse_contracts import topics
from pulse_contracts.ids import ClientId

SERVICE_ACCOUNT_PREFIX: Final = "svc-"
"""No device has an id that begins so."""
INGEST_ACCOUNT: Final = f"{SERVICE_ACCOUNT_PREFIX}ingest"
IDENTITY_ACCOUNT: Final = f"{SERVICE_ACCOUNT_PREFIX}identity"
"""Administers Mosquitto's accounts and touches no other topic; EMQX does not have it."""
SYNC_ACCOUNT: Final = f"{SERVICE_ACCOUNT_PREFIX}sync"
COMMANDS_ACCOUNT: Final = f"{SERVICE_ACCOUNT_PREFIX}commands"
ALERTS_ACCOUNT: Final = f"{SERVICE_ACCOUNT_PREFIX}alerts"
_ANY: Final = ClientId("+")

SERVICE_READS: Final[Mapping[str, tuple[str, ...]]] = {
    INGEST_ACCOUNT: (*topics.UPLINK_FILTERS, topics.BROKER_NOTICES),
    SYNC_ACCOUNT: (topics.SYNC_UP_FILTER,),
    COMMANDS_ACCOUNT: (topics.COMMAND_STATUS_FILTER,),
    ALERTS_ACCOUNT: (),
}
SERVICE_WRITES: Final[Mapping[str, tuple[str, ...]]] = {
    INGEST_ACCOUNT: (topics.ack(_ANY),),
    SYNC_ACCOUNT: (topics.sync_down(_ANY), topics.SYNC_UPDATE_FILTER),
    COMMANDS_ACCOUNT: (topics.command(_ANY),),
    ALERTS_ACCOUNT: (topics.alert(_ANY),),
}
