"""The traces of batches: those that devices began and asked to record, and a share of all others.

A message of a device's trace is a span from its receipt to its ack; a batch that is traced for its own sake is one from
the receipt of its first message. Under it are the commit and the announcement, which the gateway continues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pulse_chassis.mqtt import InboundMessage
from pulse_chassis.tracing import Span, Tracing
from pulse_contracts.streams import TELEMETRY_STREAM
from pulse_ingest.domain.batch import Batch, Message
from pulse_ingest.use_cases.ports import StoredBatch

NAME: Final = "process telemetry"
MOST_OF_A_BATCH: Final = 8
"""Traces of devices in one batch; each costs as many spans, and bytes in the stream."""


class OtelBatchTraces:
    """The `BatchTraces` of production."""

    def __init__(self, tracing: Tracing, now_ns: Callable[[], int]) -> None:
        self._tracing = tracing
        self._now_ns = now_ns

    def of(self, stored: StoredBatch) -> OtelBatchTrace | None:
        """Begin the spans of a committed batch."""
        messages = stored.batch.messages
        if not messages:
            return None
        asked = [(message, parent) for message in messages if (parent := _traceparent(message)) is not None]
        if asked:
            first = [message for message, _ in asked]
            admitted = [self._tracing.admit(parent, NAME, "consumer") for _, parent in asked[:MOST_OF_A_BATCH]]
        else:
            first = messages
            admitted = [self._tracing.begin(NAME, "consumer")]
        for message, span in zip(first, admitted, strict=False):
            if span is not None:
                span.began(message.received_us * 1000)
        spans = [span for span in admitted if span is not None]
        return OtelBatchTrace(self._tracing, spans, stored, self._now_ns()) if spans else None


class OtelBatchTrace:
    """The recorded traces of one batch."""

    def __init__(self, tracing: Tracing, spans: Sequence[Span], stored: StoredBatch, now_ns: int) -> None:
        self._spans = spans
        self._announcing: list[Span] = []
        for span in spans:
            span.note(_about(stored.batch))
            commit = tracing.follow(span.traceparent, "commit", "internal")
            if commit is not None:
                commit.began(now_ns - int(stored.seconds * 1e9))
                commit.end(now_ns)
            announcement = tracing.follow(span.traceparent, f"publish {TELEMETRY_STREAM}", "producer")
            if announcement is not None:
                announcement.note({"messaging.system": "redis", "messaging.destination.name": TELEMETRY_STREAM})
                self._announcing.append(announcement)
        self.traceparents: Sequence[str] = [span.traceparent for span in self._announcing]

    def announced(self) -> None:
        """End the spans of the announcement."""
        for span in self._announcing:
            span.end()

    def settled(self) -> None:
        """End the spans."""
        for span in self._spans:
            span.end()


def _traceparent(message: Message) -> str | None:
    receipt = message.receipt
    return receipt.traceparent if type(receipt) is InboundMessage else None


def _about(batch: Batch) -> dict[str, str | int]:
    return {
        "messaging.system": "mqtt",
        "messaging.batch.message_count": len(batch.messages),
        "pulse.readings": batch.readings,
        "pulse.rejected": len(batch.rejected),
    }
