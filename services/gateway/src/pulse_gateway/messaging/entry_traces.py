"""The traces of stream entries: who appended one began or continued them, and here they end, in the sockets' queues."""

from __future__ import annotations

from collections.abc import Sequence

from pulse_chassis.tracing import Tracing


class EntryTraces:
    """Notes the recorded traces of what one stream's feed has read, and tells of them once it was taken in.

    It holds no more than one read does.
    """

    def __init__(self, tracing: Tracing, stream: str) -> None:
        self._tracing = tracing
        self._stream = stream
        self._noted: list[tuple[str, str]] = []

    def note(self, entry_id: str, traceparents: Sequence[str]) -> None:
        """Note the traces of an entry."""
        self._noted += [(entry_id, traceparent) for traceparent in traceparents]

    def taken(self, began_ns: int) -> None:
        """Record that what was noted is taken in, and queued for all sockets that get it at once."""
        noted, self._noted = self._noted, []
        for entry_id, traceparent in noted:
            span = self._tracing.follow(traceparent, f"process {self._stream}", "consumer")
            if span is not None:
                span.began(began_ns)
                span.note(
                    {
                        "messaging.system": "redis",
                        "messaging.destination.name": self._stream,
                        "messaging.message.id": entry_id,
                    }
                )
                span.end()
