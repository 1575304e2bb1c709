"""Judge one message before it meets the database: is the device known, the key right, the rate kept, the form valid?

The hottest use case: plain calls, no awaiting. `AcceptMessage.prepare` does the awaiting, once for many messages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pulse_contracts.device_keys import key_sha256
from pulse_contracts.rejections import RejectionCode
from pulse_ingest.domain.acceptance import Refusal
from pulse_ingest.domain.batch import Message
from pulse_ingest.domain.presence import SightingBook
from pulse_ingest.domain.reading import Content, Losses, OverLimit, PlainReading, Run
from pulse_ingest.domain.token_bucket import TokenBuckets
from pulse_ingest.use_cases.ports import Device, DeviceRegistry, PayloadDecoder, Redactor


class AcceptMessage:
    """Fills in `content` of messages. What is refused keeps its raw bytes without API keys."""

    def __init__(
        self,
        registry: DeviceRegistry,
        decode: PayloadDecoder,
        redact: Redactor,
        buckets: TokenBuckets,
        book: SightingBook,
        monotonic: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._decode = decode
        self._redact = redact
        self._buckets = buckets
        self._book = book
        self._monotonic = monotonic

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Learn about the devices of these messages. Raises DeferredError."""
        unknown = self._registry.unknown({message.client_id for message in messages if message.client_id})
        if unknown:
            await self._registry.learn(unknown)

    def __call__(self, messages: Sequence[Message]) -> None:
        """Judge prepared messages."""
        now = self._monotonic()
        find, saw = self._registry.find, self._book.saw
        for message in messages:
            client_id = message.client_id
            device = find(client_id)
            content: Content
            if type(message.content) is Refusal:
                content = message.content  # judged where it came in
            elif not client_id:
                content = _WRONG_TOPIC
            elif device is None or not device.is_active:
                content = _UNKNOWN if device is None else _DISABLED
            else:
                saw(client_id, message.received_us)
                content = self._judge(message, device, now)
            if type(content) is Refusal:
                message.payload = self._redact(message.payload)
            message.content = content

    def _judge(  # noqa: PLR0911 -- one return for each verdict
        self, message: Message, device: Device, now: float
    ) -> Content:
        content = message.content
        if content is None:
            content = self._decode(message.form, message.payload, message.received_us)
        kind = type(content)
        take = self._buckets.take
        if kind is Run:
            run: Run = content  # type: ignore[assignment] # decided by the line above, faster than isinstance
            rows = len(run.parts[0][1]) if len(run.parts) == 1 and run.refused is None else run.rows
            if not take(message.client_id, rows, now):
                return OverLimit(run.epoch)
            if run.claimed_id is None and run.api_key is None:
                return run
            return _identity_refusal(device, run.claimed_id, run.api_key) or run
        if not take(message.client_id, 1, now):
            if isinstance(content, Losses):
                return OverLimit(content.epoch)
            return content if isinstance(content, Refusal) else _RATE_LIMITED
        if isinstance(content, PlainReading):
            return _identity_refusal(device, content.claimed_id, content.api_key) or content
        return content


def _identity_refusal(device: Device, claimed_id: str | None, api_key: str | None) -> Refusal | None:
    if claimed_id is not None and claimed_id != device.client_id:
        return _WRONG_CLIENT
    if api_key is not None and key_sha256(api_key) not in device.key_digests:
        return _WRONG_KEY
    return None


_WRONG_TOPIC: Final = Refusal(RejectionCode.WRONG_TOPIC, "the topic names no possible client")
_UNKNOWN: Final = Refusal(RejectionCode.UNKNOWN_DEVICE, "no such device is registered")
_DISABLED: Final = Refusal(RejectionCode.UNKNOWN_DEVICE, "the device is disabled")
_WRONG_CLIENT: Final = Refusal(RejectionCode.WRONG_CLIENT, "the payload names another client than its sender")
_WRONG_KEY: Final = Refusal(RejectionCode.WRONG_KEY, "the api_key in the payload is not valid for this device")
_RATE_LIMITED: Final = Refusal(RejectionCode.RATE_LIMITED, "more rows a second than the device may send")
