"""Readings that come over HTTP: judged one by one, stored by the same pipeline as everything else, answered when committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pulse_chassis.errors import RateLimitedError, UnavailableError
from pulse_contracts.ids import ClientId
from pulse_contracts.rejections import RejectionCode
from pulse_ingest.domain.acceptance import Refusal
from pulse_ingest.domain.batch import Message
from pulse_ingest.domain.reading import Content, PlainReading, Run
from pulse_ingest.use_cases.ports import Redactor

FORM: Final = "http"
TOPIC: Final = "POST /api/telemetry"
WAIT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Submission:
    """One reading of a request: its JSON, what it decodes to, and the device it is for."""

    client_id: ClientId
    raw: bytes
    content: Content


class SubmitReadings:
    """Hands readings to the pipeline and waits for the commit. At most `most_open` readings wait at once."""

    def __init__(self, offer: Callable[[Message], None], redact: Redactor, *, most_open: int) -> None:
        self._offer = offer
        self._redact = redact
        self._most_open = most_open
        self._open = 0

    async def __call__(self, submissions: Sequence[Submission], received_us: int) -> list[Refusal | None]:
        """Return for each reading None when it is committed, or why it was refused.

        Raises RateLimitedError when too many readings wait already, UnavailableError when the commit does not come in
        time: then the readings may be stored later, and sending them again stores none of them twice if they carry a time.
        """
        if self._open + len(submissions) > self._most_open:
            message = "too many readings wait to be stored"
            raise RateLimitedError(message, retry_after=1.0)
        loop = asyncio.get_running_loop()
        receipts: list[asyncio.Future[Content]] = []
        self._open += len(submissions)
        for place, submission in enumerate(submissions):
            receipt: asyncio.Future[Content] = loop.create_future()
            receipt.add_done_callback(self._close_one)
            receipts.append(receipt)
            self._offer(
                Message(
                    client_id=submission.client_id,
                    topic=TOPIC,
                    form=FORM,
                    payload=self._redact(submission.raw),
                    received_us=received_us + place,
                    receipt=receipt,
                    content=_plain_only(submission.content),
                )
            )
        _, waiting = await asyncio.wait(receipts, timeout=WAIT_SECONDS)
        if waiting:
            message = "the readings could not be committed in time; send them again"
            raise UnavailableError(message, code="not_committed", retry_after=5.0)
        return [content if isinstance(content := receipt.result(), Refusal) else None for receipt in receipts]

    def _close_one(self, _receipt: asyncio.Future[Content]) -> None:
        self._open -= 1


def _plain_only(content: Content) -> Content:
    """Keep HTTP out of the ledgers: it has no hello, and so no epoch."""
    if isinstance(content, PlainReading | Refusal):
        return content
    if isinstance(content, Run) and content.parts:
        return _NO_LEDGER
    return Refusal(RejectionCode.BAD_SHAPE, "not a reading")


_NO_LEDGER: Final = Refusal(RejectionCode.BAD_SHAPE, "a reading with an epoch comes over MQTT, after a hello")
