"""The names things carry across processes, and the shape each name must have.

A client id is a device's id, its MQTT client id and its broker account name at once, so it may hold
nothing that means something in an MQTT topic (`/`, `+`, `#`, `$`) or in a log line.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, NewType

from pydantic import StringConstraints

ClientId = NewType("ClientId", str)
MetricKey = NewType("MetricKey", str)
Epoch = NewType("Epoch", int)
"""A generation of a client's sequence, given by the server; 0 means none."""
SequenceNo = NewType("SequenceNo", int)
"""Position of a reading in a client's outbox: 1, 2, 3 … within 63 bits, never reused."""

CLIENT_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$"
METRIC_KEY_PATTERN: Final = r"^[A-Za-z0-9_.:/-]{1,64}$"
MAX_SEQUENCE: Final = 2**63 - 2
"""One below the largest bigint: PostgreSQL's int8range writes its upper bound as exclusive."""

_CLIENT_ID: Final = re.compile(CLIENT_ID_PATTERN)
_METRIC_KEY: Final = re.compile(METRIC_KEY_PATTERN)

ClientIdField = Annotated[str, StringConstraints(pattern=CLIENT_ID_PATTERN)]
MetricKeyField = Annotated[str, StringConstraints(pattern=METRIC_KEY_PATTERN)]


def is_client_id(text: str) -> bool:
    """Tell whether `text` may name a client (no newline, no topic character, 1 to 64 characters)."""
    return _CLIENT_ID.fullmatch(text) is not None


def is_metric_key(text: str) -> bool:
    """Tell whether `text` may name a metric (1 to 64 characters)."""
    return _METRIC_KEY.fullmatch(text) is not None
