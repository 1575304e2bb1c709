"""The nouns of an MQTT session: where, who, what came, and what can go wrong. Import them from `pulse_chassis.mqtt`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MqttEndpoint:
    """Where the broker is and who we are there. With `ca_file` the link is TLS, verified against it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | str | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us when we vanish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


@dataclass(slots=True, eq=False)
class InboundMessage:
    """What the broker delivered. `session` is the number of the connection it came on: an ack is good only there."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int | None
    retain: bool
    session: int
    traceparent: str | None = None
    """The trace that it belongs to, if it says so and the session was told to look."""


@dataclass(frozen=True, slots=True)
class MqttDisconnectReason:
    """Why a link ended: the MQTT 5 reason code, if anybody gave one, and a sentence."""

    reason_code: int | None
    text: str


class MqttError(Exception):
    """Whatever an MQTT session raises on purpose."""


class MqttConnectionError(MqttError):
    """The broker was not reached or said no; `reason_code` is the CONNACK's, None below MQTT."""

    def __init__(self, reason_code: int | None, text: str) -> None:
        super().__init__(text)
        self.reason_code = reason_code
        self.text = text


class NotAuthorizedError(MqttConnectionError):
    """The broker refused the account: wrong or disabled credentials, or the client id of another."""


class NotConnectedError(MqttError):
    """The link is gone. What was published on it without an answer may or may not have arrived."""


class WriteBufferFullError(MqttError):
    """The socket takes no more for now; nothing was written."""


class PacketTooLargeError(MqttError):
    """The broker said that it takes no packet of this size; nothing was written."""


class SubscribeError(MqttError):
    """The broker refused at least one topic filter; `reason_codes` has one code for each filter."""

    def __init__(self, reason_codes: list[int]) -> None:
        super().__init__("subscription refused: " + ", ".join(f"0x{code:02X}" for code in reason_codes))
        self.reason_codes = reason_codes
