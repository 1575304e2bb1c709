"""An asyncio MQTT 5 session for the hot path (being written; the names are final)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from pulse_chassis.mqtt_types import (
    InboundMessage,
    MqttConnectionError,
    MqttDisconnectReason,
    MqttEndpoint,
    MqttError,
    NotAuthorizedError,
    NotConnectedError,
    PacketTooLargeError,
    SubscribeError,
    Will,
    WriteBufferFullError,
)

__all__ = [
    "InboundMessage",
    "MqttConnectionError",
    "MqttDisconnectReason",
    "MqttEndpoint",
    "MqttError",
    "MqttSession",
    "NotAuthorizedError",
    "NotConnectedError",
    "PacketTooLargeError",
    "SubscribeError",
    "Will",
    "WriteBufferFullError",
]


class MqttSession:
    """One connection's life."""

    session: int
    session_present: bool
    server_receive_maximum: int
    max_packet_size: int | None
    ignored_acks: int

    @classmethod
    async def connect(  # noqa: PLR0913 -- what MQTT lets a client say
        cls,
        endpoint: MqttEndpoint,
        *,
        client_id: str,
        clean_start: bool = True,
        session_expiry: int = 0,
        receive_maximum: int = 500,
        keepalive: int = 15,
        will: Will | None = None,
        on_message: Callable[[InboundMessage], None],
        timeout: float = 10,  # noqa: ASYNC109 -- covers several steps, one of them without a task
    ) -> Self:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    async def subscribe(self, filters: Sequence[tuple[str, int]]) -> list[int]:
        raise NotImplementedError

    def publish_nowait(self, topic: str, payload: bytes, qos: int = 0) -> None:
        raise NotImplementedError

    async def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> int:
        raise NotImplementedError

    async def publish_many(self, messages: Sequence[tuple[str, bytes]], qos: int = 1) -> list[int]:
        raise NotImplementedError

    def ack(self, message: InboundMessage) -> None:
        raise NotImplementedError

    def pause_reading(self) -> None:
        raise NotImplementedError

    def resume_reading(self) -> None:
        raise NotImplementedError

    async def wait_closed(self) -> MqttDisconnectReason:
        raise NotImplementedError

    async def disconnect(self, reason_code: int = 0) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
