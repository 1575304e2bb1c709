"""`/api/telemetry/exports`: exports that are made in the background, and their files."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path
from fastapi.responses import Response, StreamingResponse

from pulse_chassis.api_links import link, links
from pulse_chassis.bearer import Principal, requires
from pulse_chassis.clock import Clock
from pulse_chassis.errors import PulseError
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.export_job import ByteRange, read_range
from pulse_gateway.http.export_routes import ACTION
from pulse_gateway.http.export_schemas import ExportBody, ExportItem, ExportList, export_question
from pulse_gateway.http.file_stream import FileStream
from pulse_gateway.http.telemetry_routes import scope_for
from pulse_gateway.use_cases.access_directory import AccessDirectory
from pulse_gateway.use_cases.keep_exports import KeepExports
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.ports import AccessAudit
from pulse_gateway.use_cases.read_history import require_devices
from pulse_gateway.use_cases.tell_access import tell_access

Reader = Annotated[Principal, Depends(requires(Permission.TELEMETRY_READ))]
ExportId = Annotated[UUID, Path(examples=["0b8f1c52-4a57-4c8e-8a55-6a0f3b7d9c21"])]
_SELF = {"export_id": "$response.body#/id"}
_LINKS = {
    "read": link("GET /api/telemetry/exports/{export_id}", _SELF),
    "delete": link("DELETE /api/telemetry/exports/{export_id}", _SELF),
    "download": link("GET /api/telemetry/exports/{export_id}/file", _SELF),
}


def export_job_router(
    state: LiveState, directory: AccessDirectory, exports: KeepExports, audit: AccessAudit, clock: Clock
) -> APIRouter:
    """Return the routes over this state."""
    router = APIRouter(prefix="/api/telemetry/exports", tags=["telemetry"])

    @router.post(
        "", status_code=202, summary="Have readings written to a file in the background",
        responses=links(202, _LINKS) | {404: {"description": "No such device, or none of yours"}},
    )  # fmt: skip
    async def ask_for_export(principal: Reader, body: ExportBody) -> ExportItem:
        scope = await scope_for(principal, directory, state)
        question = export_question(body, clock.now())
        require_devices(question.device_ids, scope, state)
        return ExportItem.of(await exports.ask(principal.user_id, question))

    @router.get("", summary="Your exports, newest first")
    async def list_exports(principal: Reader) -> ExportList:
        return ExportList(items=[ExportItem.of(job) for job in await exports.all(principal.user_id)])

    @router.get("/{export_id}", summary="How far an export is")
    async def read_export(principal: Reader, export_id: ExportId) -> ExportItem:
        return ExportItem.of(await exports.one(principal.user_id, export_id))

    @router.delete("/{export_id}", status_code=204, summary="Delete an export; what is under way is cancelled")
    async def delete_export(principal: Reader, export_id: ExportId) -> None:
        await exports.delete(principal.user_id, export_id)

    @router.get(
        "/{export_id}/file", summary="Download the file of an export",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "The file",
                "content": {"text/csv": {"schema": {"type": "string"}}, "application/x-ndjson": {"schema": {"type": "string"}}},
            },
            206: {"description": "The bytes that were asked for"},
            409: {"description": "The file is not there yet"},
            416: {"description": "The file has no such bytes"},
        },
    )  # fmt: skip
    async def download_export(
        principal: Reader,
        export_id: ExportId,
        range_: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
    ) -> Response:
        job = await exports.ready(principal.user_id, export_id)
        scope = await scope_for(principal, directory, state)
        require_devices(job.question.device_ids, scope, state)
        try:
            part = read_range(range_, job.size_bytes)
        except ValueError:
            message = f"the file has {job.size_bytes} bytes"
            raise PulseError("range_not_satisfiable", message, 416) from None
        wanted = part or ByteRange(0, job.size_bytes - 1)
        headers = {
            "Content-Disposition": f'attachment; filename="{job.file_name}"',
            "Content-Length": str(wanted.last - wanted.first + 1),
            "Accept-Ranges": "bytes",
            "ETag": f'"{job.id}"',
        }
        if part is not None:
            headers["Content-Range"] = f"bytes {part.first}-{part.last}/{job.size_bytes}"
        tell_access(audit, ACTION, job.question.device_ids)
        return FileStream(
            exports.content(job.id, wanted),
            lambda: None,
            status_code=200 if part is None else 206,
            media_type=job.question.form.media_type,
            headers=headers,
        )

    return router
