"""The bytes of one MQTT connection: bursts in, coalesced writes out, a peer that is watched.

A burst that the socket gives is decoded in one loop, without a task or an await for a message. What is sent within
one turn of the event loop leaves in one write. Nothing is ever queued here but what a paused reader left of one burst
and what the socket has not taken yet; the latter's bound is enforced by the session, which asks `buffered_bytes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import mqtt5

from pulse_chassis.mqtt_types import MqttDisconnectReason

MAX_PACKET_BYTES: Final = 1024 * 1024
"""The broker is told so; our largest message is 256 KiB."""
MAX_BUFFERED_BYTES: Final = 1024 * 1024
CLOSE_SECONDS: Final = 2.0
"""How long a graceful close may take to get its last bytes out."""

KEEP_ALIVE_TIMEOUT: Final = 0x8D
MALFORMED_PACKET: Final = 0x81
PROTOCOL_ERROR: Final = 0x82
PACKET_TOO_LARGE: Final = 0x95

Handlers = Mapping[type, Callable[[Any], None]]


class Link(asyncio.Protocol):
    """One socket. `handlers` get the packets by type; `on_lost` is called once, when it is over."""

    def __init__(self, handlers: Handlers, on_lost: Callable[[], None]) -> None:
        self._handlers = handlers
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._tail = b""
        self._is_paused = False
        self._is_held = False
        self._is_throttled = False
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._is_flush_due = False
        self._keepalive = 0.0
        self._tick: asyncio.TimerHandle | None = None
        self._tick_due = 0.0
        self._received_at = self._sent_at = self._loop.time()
        self._pinged_at: float | None = None
        self._writable = asyncio.Event()
        self.lost = asyncio.Event()
        self.reason: MqttDisconnectReason | None = None
        self.error: Exception | None = None

    @property
    def is_open(self) -> bool:
        """Whether packets can still be sent."""
        return self._transport is not None and self.reason is None

    @property
    def buffered_bytes(self) -> int:
        """How much waits to be taken by the socket."""
        return self._out_bytes + (0 if self._transport is None else self._transport.get_write_buffer_size())

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket over."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has the methods, but not the ancestor
        self._transport.set_write_buffer_limits(high=MAX_BUFFERED_BYTES // 2)
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Decode a burst."""
        if self.reason is not None:
            return  # we are closing: nobody wants it any more
        self._received_at = self._loop.time()
        self._pinged_at = None
        self._decode(self._tail + data if self._tail else data)

    def pause_writing(self) -> None:
        """Hold back whoever is in `wait_writable`."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end and tell the session."""
        if self.reason is None:
            text = "the broker closed the connection" if error is None else f"connection lost: {error}"
            self.reason = MqttDisconnectReason(None, text)
        if self._tick is not None:
            self._tick.cancel()
        self._transport = None
        self._tail = b""
        self._out.clear()
        self._out_bytes = 0
        self._writable.set()
        self.lost.set()
        self._on_lost()

    # What the session calls

    def send(self, packet: bytes) -> None:
        """Send with the next write, at the end of this turn of the event loop."""
        self._out.append(packet)
        self._out_bytes += len(packet)
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    async def wait_writable(self) -> None:
        """Wait until the socket takes more; returns also when the link ended."""
        if self._out_bytes > MAX_BUFFERED_BYTES:
            await asyncio.sleep(0)  # what this turn has sent so far goes to the socket first
        await self._writable.wait()

    def hold(self) -> None:
        """Pause for the handshake, whatever the session wants."""
        self._is_held = True
        self._stop_reading()

    def release(self) -> None:
        """End `hold`."""
        self._is_held = False
        self._go_on()

    def throttle(self, is_on: bool) -> None:
        """Hand over no more packets, from this moment on (the peer's window fills up); or go on with the rest."""
        self._is_throttled = is_on
        if is_on:
            self._stop_reading()
        else:
            self._go_on()

    def watch_peer(self, keepalive: float) -> None:
        """Ping when it is quiet, and give the peer up when it says nothing for about 1¼ `keepalive` seconds."""
        self._keepalive = keepalive
        if keepalive > 0:
            self._schedule_tick()

    def close(self, reason: MqttDisconnectReason, *, packet: bytes | None = None) -> None:
        """Send `packet` as the last one and close, by force if the peer does not take it."""
        if self.reason is None:
            self.reason = reason
        if self._transport is None or self._transport.is_closing():
            return
        self._is_paused = True
        if packet is not None:
            self._out.append(packet)
        self._flush()
        self._transport.close()
        self._loop.call_later(CLOSE_SECONDS, self.abort)

    def abort(self) -> None:
        """Drop the socket now."""
        if self._transport is not None:
            self._transport.abort()

    def fail(self, reason_code: int, text: str) -> None:
        """Tell the peer what it did wrong, and close."""
        packet = mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode(reason_code))
        self.close(MqttDisconnectReason(reason_code, text), packet=packet.write())

    def crash(self, error: Exception) -> None:
        """Close because of an error of our own side; the session's `wait_closed` raises it."""
        self.error = error
        self.close(MqttDisconnectReason(None, "a message callback failed"))

    # Inside

    def _decode(self, data: bytes) -> None:
        view = memoryview(data)
        at, end = 0, len(data)
        handlers = self._handlers
        while at < end and not self._is_paused:
            try:
                packet, size = mqtt5.read(view[at:])
            except IndexError:  # the packet goes on in the next burst
                self._refuse_too_large(view[at:])
                break
            except BaseException as error:  # noqa: BLE001 -- invalid UTF-8 makes the codec panic, past Exception
                self._refuse_malformed(error)
                break
            at += size
            handler = handlers.get(type(packet))
            if handler is None:
                self.fail(PROTOCOL_ERROR, f"a server does not send {type(packet).__name__}")
                break
            try:
                handler(packet)
            except Exception as error:  # noqa: BLE001 -- a boundary: wait_closed() raises what a callback raised
                self.crash(error)
                break
        self._tail = b"" if at == end else data[at:]

    def _stop_reading(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            if self._transport is not None:
                self._transport.pause_reading()

    def _go_on(self) -> None:
        if self._is_paused and self.is_open and not self._is_held and not self._is_throttled:
            self._is_paused = False
            self._received_at = self._loop.time()
            self._pinged_at = None
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._decode(self._tail)
        if self._transport is not None and not self._is_paused:
            self._transport.resume_reading()

    def _refuse_too_large(self, view: memoryview) -> None:
        length = 0
        for place, byte in enumerate(view[1:5]):
            length |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if length + place + 2 > MAX_PACKET_BYTES:
                    self.fail(PACKET_TOO_LARGE, f"the broker sent a packet of {length} bytes")
                return

    def _refuse_malformed(self, error: BaseException) -> None:
        if not isinstance(error, ValueError) and type(error).__name__ != "PanicException":
            raise error
        self.fail(MALFORMED_PACKET, f"the broker sent a malformed packet: {error}")

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
            self._sent_at = self._loop.time()
        self._out.clear()
        self._out_bytes = 0

    def _schedule_tick(self) -> None:
        self._tick_due = self._loop.time() + self._keepalive / 4
        self._tick = self._loop.call_at(self._tick_due, self._watch)

    def _watch(self) -> None:
        if not self.is_open:
            return
        now = self._loop.time()
        patience = self._keepalive / 2
        # A machine that slept, or a loop that was blocked, must not blame the peer for what it did not read itself.
        was_away = now - self._tick_due > self._keepalive / 4
        if self._pinged_at is not None and not self._is_paused and not was_away and now - self._pinged_at >= patience:
            self.close(MqttDisconnectReason(KEEP_ALIVE_TIMEOUT, "the broker answers no more"))
            self.abort()
            return
        is_quiet = now - self._sent_at >= patience or now - self._received_at >= patience
        if is_quiet and (self._pinged_at is None or now - self._sent_at >= patience):
            self.send(_PING)
            self._pinged_at = self._pinged_at or now
        self._schedule_tick()


_PING: Final = mqtt5.PingReqPacket().write()
