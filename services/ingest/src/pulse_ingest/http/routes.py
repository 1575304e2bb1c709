"""`POST /api/telemetry`: readings over HTTP, answered when they are committed.

200: all stored. 207: an array of which some were refused, each by its place. A problem document: nothing was stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response

from pulse_chassis.bearer import declares_access
from pulse_chassis.edge_policy import RateClass
from pulse_chassis.errors import PulseError, UnavailableError
from pulse_chassis.route_bounds import rate_limited
from pulse_contracts.ids import ClientId
from pulse_contracts.permissions import Permission
from pulse_contracts.rejections import RejectionCode
from pulse_contracts.telemetry import (
    MAX_HTTP_READINGS,
    AppReading,
    DesktopReading,
    FlatReading,
    SingleMetricReading,
)
from pulse_ingest.domain.acceptance import DeferredError, Refusal
from pulse_ingest.domain.reading import Content, PlainReading, Run
from pulse_ingest.http.schemas import IntakeAnswer, ReadingResult
from pulse_ingest.http.sender import Sender, Senders
from pulse_ingest.use_cases.ports import DeviceRegistry
from pulse_ingest.use_cases.submit_readings import Submission, SubmitReadings

BodyDecoder = Callable[[bytes, int], "list[tuple[bytes, Content]] | Refusal"]

_STATUS: Final = {
    RejectionCode.UNKNOWN_DEVICE: 404,
    RejectionCode.WRONG_CLIENT: 403,
    RejectionCode.WRONG_KEY: 403,
    RejectionCode.RATE_LIMITED: 429,
    RejectionCode.TOO_LARGE: 413,
}
_OUT_OF_SCOPE: Final = Refusal(RejectionCode.UNKNOWN_DEVICE, "no such device is registered")
_NAMELESS: Final = Refusal(RejectionCode.BAD_SHAPE, "the reading names no device")
_ONE: Final = [model.model_json_schema() for model in (DesktopReading, SingleMetricReading, FlatReading, AppReading)]
_READING: Final = {
    "client_id": "PUMP-7",
    "timestamp": "2026-11-21T10:15:30Z",
    "sequence_no": 10542,
    "metrics": {"temperature": 72.45, "is_active": True},
}
_EXAMPLES: Final = {
    "one reading": {"value": _READING},
    "one metric": {"value": {"client_id": "PUMP-7", "metric_name": "temperature", "value_numeric": 72.45}},
    "several": {"value": [_READING, {"device_id": "PUMP-8", "temperature": 60, "humidity": 75}]},
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "One reading in any of the object forms, or an array of them",
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        *_ONE,
                        {"type": "array", "items": {"anyOf": _ONE}, "minItems": 1, "maxItems": MAX_HTTP_READINGS},
                    ]
                },
                "examples": _EXAMPLES,
            }
        },
    }
}


class TelemetryRoutes:
    """The router and what its one route needs."""

    def __init__(
        self,
        senders: Senders,
        registry: DeviceRegistry,
        decode: BodyDecoder,
        submit: SubmitReadings,
        now_us: Callable[[], int],
    ) -> None:
        self._registry = registry
        self._decode = decode
        self._submit = submit
        self._now_us = now_us
        self.router = APIRouter(prefix="/api", tags=["telemetry"])
        self._add_route(senders)

    def _add_route(self, senders: Senders) -> None:
        @declares_access("a device's API key, or an access token with telemetry:write and the device in its scope")
        async def sender(request: Request) -> Sender:
            return await senders.identify(request)

        @self.router.post(
            "/telemetry",
            summary="Send readings",
            dependencies=[Depends(rate_limited(RateClass.TELEMETRY))],
            response_model=IntakeAnswer,
            responses={
                207: {"model": IntakeAnswer, "description": "Some readings of the array were refused"},
                404: {"description": "The device is not registered"},
                429: {"description": "Too many readings a second"},
                503: {"description": "The readings could not be committed now"},
            },
            openapi_extra=_BODY,
        )
        async def send_readings(
            request: Request,
            response: Response,
            who: Sender = Depends(sender),  # noqa: B008 -- how FastAPI takes a dependency made in a function
        ) -> IntakeAnswer:
            return await self._take(await request.body(), who, response)

    async def _take(self, body: bytes, who: Sender, response: Response) -> IntakeAnswer:
        received_us = self._now_us()
        decoded = self._decode(body, received_us)
        if isinstance(decoded, Refusal):
            raise _problem(decoded)
        try:
            submissions = await self._assigned(decoded, who)
        except DeferredError as error:
            message = "devices cannot be looked up now"
            raise UnavailableError(message, retry_after=2.0) from error
        refusals = await self._submit(submissions, received_us)
        is_single = not body.lstrip().startswith(b"[")
        if is_single and refusals[0] is not None:
            raise _problem(refusals[0])
        answer = _answer(refusals)
        response.status_code = 207 if answer.rejected else 200
        return answer

    async def _assigned(self, decoded: list[tuple[bytes, Content]], who: Sender) -> list[Submission]:
        """Say whose each reading is; refuse it if that is not the sender's to say."""
        claimed = [_claimed_id(content) for _, content in decoded]
        allowed = await self._allowed(who, {client_id for client_id in claimed if client_id})
        submissions = []
        for (raw, content), named in zip(decoded, claimed, strict=True):
            client_id = named or who.device_id
            if isinstance(content, Refusal):
                submissions.append(Submission(who.device_id or ClientId(""), raw, content))
            elif client_id is None:
                submissions.append(Submission(ClientId(""), raw, _NAMELESS))
            elif allowed is not None and client_id not in allowed:
                submissions.append(Submission(who.device_id or client_id, raw, _not_allowed(who)))
            else:
                submissions.append(Submission(client_id, raw, content))
        return submissions

    async def _allowed(self, who: Sender, named: set[ClientId]) -> frozenset[ClientId] | None:
        if who.device_id is not None:
            return frozenset({who.device_id})
        if who.user is None or Permission.DEVICES_ALL in who.user.permissions:
            return None
        return await self._registry.writable_by(who.user.user_id, sorted(named))


def _claimed_id(content: Content) -> ClientId | None:
    if isinstance(content, PlainReading | Run) and content.claimed_id is not None:
        return ClientId(content.claimed_id)
    return None


def _not_allowed(who: Sender) -> Refusal:
    if who.device_id is not None:
        return Refusal(RejectionCode.WRONG_CLIENT, "the reading names another device than its key")
    return _OUT_OF_SCOPE  # whether it exists is not this user's to know


def _answer(refusals: Sequence[Refusal | None]) -> IntakeAnswer:
    results = [
        ReadingResult(index=index, status="stored")
        if refusal is None
        else ReadingResult(index=index, status="rejected", code=refusal.code.value, detail=refusal.detail)
        for index, refusal in enumerate(refusals)
    ]
    rejected = sum(refusal is not None for refusal in refusals)
    return IntakeAnswer(stored=len(refusals) - rejected, rejected=rejected, results=results)


def _problem(refusal: Refusal) -> PulseError:
    is_limited = refusal.code is RejectionCode.RATE_LIMITED
    status = _STATUS.get(refusal.code, 422)
    return PulseError(refusal.code.value, refusal.detail, status, retry_after=1.0 if is_limited else None)
