"""What the agent says and hears on MQTT, as bytes: hello, heartbeat, losses; ack and welcome.

Guarantees: what is sent passes the contract's models (tested), what is heard was checked by them.
Never does: decide anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic_core import from_json

from pulse_agent.outbox.rows import LossRecord
from pulse_agent.outbox.writer import OutboxStats
from pulse_contracts.acks import Ack, Welcome
from pulse_contracts.ids import ClientId
from pulse_contracts.presence import Heartbeat, Hello, PresenceStatus


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks: the client, this run of it (`instance`, random per process), and its program's version."""

    client_id: ClientId
    instance: str
    version: str

    def hello(self, stats: OutboxStats, epoch: int, number: int) -> bytes:
        """Return this run's hello of that number: what the outbox holds, and its epoch (0: none, or renew it)."""
        hello = Hello(
            type="hello",
            v=1,
            client_id=self.client_id,
            epoch=epoch,
            next=stats.next_sequence,
            oldest_unacked=stats.oldest_unacked,
            count=stats.rows,
            instance=self.instance,
            version=self.version,
            id=number,
        )
        return hello.model_dump_json().encode()

    def heartbeat(self, stats: OutboxStats, now: datetime) -> bytes:
        """Return the sign of life, with how much is buffered."""
        return self._presence(PresenceStatus.ONLINE, now, stats, None)

    def goodbye(self, stats: OutboxStats, now: datetime) -> bytes:
        """Return what is said before leaving in order."""
        return self._presence(PresenceStatus.OFFLINE, now, stats, "stopped")

    def last_will(self, stats: OutboxStats, now: datetime) -> bytes:
        """Return what the broker says when the link is lost."""
        return self._presence(PresenceStatus.OFFLINE, now, stats, None)

    def _presence(self, status: PresenceStatus, now: datetime, stats: OutboxStats, reason: str | None) -> bytes:
        heartbeat = Heartbeat(
            client_id=self.client_id,
            status=status,
            ts=int(now.timestamp() * 1000),
            buffered=stats.rows,
            oldest_unacked=stats.oldest_unacked,
            instance=self.instance,
            version=self.version,
            reason=reason,
        )
        return heartbeat.model_dump_json(exclude_none=True).encode()


def loss_declaration(epoch: int, losses: Sequence[LossRecord]) -> bytes:
    """Return the message that declares ranges lost."""
    lost = [[loss.low, loss.high, loss.reason] for loss in losses]
    return json.dumps({"v": 1, "epoch": epoch, "lost": lost}, separators=(",", ":")).encode()


def read_downlink(payload: bytes) -> Ack | Welcome | None:
    """Return what came on the ack topic; None when it is neither ack nor welcome, or malformed."""
    try:
        fields = from_json(payload)
        if not isinstance(fields, dict):
            return None
        if fields.get("type") == "welcome":
            return Welcome.model_validate(fields)
        return Ack.model_validate(fields) if "type" not in fields else None
    except ValueError:  # pydantic's ValidationError is one
        return None
