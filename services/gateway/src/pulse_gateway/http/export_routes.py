"""`/api/telemetry/export`: readings as a file, streamed."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response, StreamingResponse

from pulse_chassis.bearer import Principal, requires
from pulse_chassis.clock import Clock
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.export import MAX_STREAMED_ROWS, ExportQuestion, file_name
from pulse_gateway.domain.scope import Scope
from pulse_gateway.domain.series_lines import series_text
from pulse_gateway.http.export_schemas import ExportParameters, export_question
from pulse_gateway.http.file_stream import FileStream
from pulse_gateway.http.history_schemas import series_question
from pulse_gateway.http.telemetry_routes import scope_for
from pulse_gateway.use_cases.access_directory import AccessDirectory
from pulse_gateway.use_cases.export_ports import ExportCopy, Sink
from pulse_gateway.use_cases.export_readings import plan_export, write_export
from pulse_gateway.use_cases.history_ports import SeriesReader
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.ports import AccessAudit
from pulse_gateway.use_cases.read_history import require_devices
from pulse_gateway.use_cases.read_series import read_series
from pulse_gateway.use_cases.stream_export import ExportStreams, in_chunks
from pulse_gateway.use_cases.tell_access import tell_access

ACTION: Final = "telemetry.export"
_INSTEAD: Final = "have it made in the background (POST /api/telemetry/exports), or ask for less"


def export_router(
    state: LiveState,
    directory: AccessDirectory,
    sources: tuple[SeriesReader, ExportCopy],
    audit: AccessAudit,
    clock: Clock,
) -> APIRouter:
    """Return the route over this state."""
    router = APIRouter(prefix="/api/telemetry", tags=["telemetry"])
    reader, copy = sources
    streams = ExportStreams()

    @router.get(
        "/export", summary="Stored readings of devices as a file",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "The file; one that cannot be finished breaks off. Lines of JSON end with their number.",
                "content": {"text/csv": {"schema": {"type": "string"}}, "application/x-ndjson": {"schema": {"type": "string"}}},
            },
            404: {"description": "No such device, or none of yours"},
        },
    )  # fmt: skip
    async def export_telemetry(
        principal: Annotated[Principal, Depends(requires(Permission.TELEMETRY_READ))],
        asked: Annotated[ExportParameters, Query()],
    ) -> Response:
        scope = await scope_for(principal, directory, state)
        question = export_question(asked, clock.now())
        require_devices(question.device_ids, scope, state)
        if asked.is_for_series:
            answer = await _series(asked, question, scope)
        else:
            answer = await _readings(principal, question)
        tell_access(audit, ACTION, question.device_ids)
        return answer

    async def _series(asked: ExportParameters, question: ExportQuestion, scope: Scope) -> Response:
        wanted = series_question(asked, clock.now())
        answers, _ = await read_series(wanted, scope, state, reader)
        names = [aggregate.value for aggregate in wanted.aggregates]
        text = series_text(answers.answers, names, question.form, wanted.zone)
        return Response(text, media_type=question.form.media_type, headers=file_headers(question))

    async def _readings(principal: Principal, question: ExportQuestion) -> Response:
        plan = await plan_export(question, reader, MAX_STREAMED_ROWS, _INSTEAD)

        async def write(sink: Sink) -> None:
            await write_export(question, plan, copy, sink)

        streams.enter(principal.user_id)
        return FileStream(
            in_chunks(write),
            lambda: streams.leave(principal.user_id),
            media_type=question.form.media_type,
            headers=file_headers(question),
        )

    return router


def file_headers(question: ExportQuestion) -> dict[str, str]:
    """Return the header that names the file."""
    return {"Content-Disposition": f'attachment; filename="{file_name(question)}"'}
