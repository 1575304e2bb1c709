"""The live path: rows go out at QoS 0 the moment they are on the disk, for latency.

Guarantees: they stay in the outbox; what could not go (no credit, a full socket) goes by the buffer path at once.
Never does: wait, or publish what is not committed.
"""

from __future__ import annotations

from itertools import pairwise

from pulse_agent.delivery.wiring import Wiring
from pulse_agent.domain.reading import StoredReading, run_of
from pulse_chassis.logging import get_logger, is_debugging
from pulse_chassis.mqtt import MqttSession, NotConnectedError, PacketTooLargeError, WriteBufferFullError
from pulse_contracts.correlation import reading_correlation
from pulse_contracts.telemetry import MAX_RUN_BYTES, MAX_RUN_ROWS
from pulse_contracts.topics import telemetry_live

_log = get_logger("live")


class LivePublisher:
    """Publishes what was just stored, under `epoch`, on one connection."""

    def __init__(self, wiring: Wiring, session: MqttSession, epoch: int) -> None:
        self._wiring = wiring
        self._session = session
        self._epoch = epoch
        self._topic = telemetry_live(wiring.speaker.client_id)

    def publish(self, stored: list[StoredReading]) -> None:
        """Send rows live, or leave them to the buffer path."""
        wiring = self._wiring
        now = wiring.clock.monotonic()
        for part in _messages(stored):
            went_live = wiring.schedule.budget.take_live(len(part), now) and self._send(part)
            wiring.schedule.stored(part[0].sequence, part[-1].sequence, now, went_live=went_live)
            if is_debugging():
                self._tell_each(part, went_live=went_live)
            if went_live:
                wiring.counts.live_rows += len(part)
            else:
                wiring.counts.live_skipped_rows += len(part)
        wiring.work.set()

    def _tell_each(self, part: list[StoredReading], *, went_live: bool) -> None:
        for row in part:
            correlation = reading_correlation(self._wiring.speaker.client_id, row.recorded_at_us // 1000)
            _log.debug(
                "reading_kept", correlation_id=correlation, epoch=self._epoch, sequence=row.sequence, live=went_live
            )

    def _send(self, part: list[StoredReading]) -> bool:
        try:
            self._session.publish_nowait(self._topic, run_of(part).message(self._epoch), 0)
        except (NotConnectedError, WriteBufferFullError, PacketTooLargeError):
            return False
        return True


def _messages(stored: list[StoredReading]) -> list[list[StoredReading]]:
    """Cut rows into contiguous parts within the limits of one message."""
    if len(stored) == 1:
        return [stored]
    parts: list[list[StoredReading]] = [[stored[0]]]
    used = len(stored[0].metrics_json)
    for before, row in pairwise(stored):
        # Four bytes a character is UTF-8's worst; rows are short, so this costs nothing but a rare extra message.
        size = len(row.metrics_json) * (1 if row.metrics_json.isascii() else 4) + 24
        used += size
        if row.sequence != before.sequence + 1 or len(parts[-1]) >= MAX_RUN_ROWS or used > MAX_RUN_BYTES - 256:
            parts.append([])
            used = size
        parts[-1].append(row)
    return parts
