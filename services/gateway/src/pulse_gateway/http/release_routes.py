"""`/api/releases`: the newest desktop release, for agents that look for one. Nobody has to sign in for it.

The manifest is signed by whoever made the release; the files are those that it names.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path
from fastapi.responses import Response, StreamingResponse

from pulse_chassis.bearer import public
from pulse_chassis.errors import NotFoundError, PulseError
from pulse_contracts.releases import MANIFEST_PATH
from pulse_gateway.domain.export_job import ByteRange, read_range
from pulse_gateway.http.file_stream import FileStream
from pulse_gateway.use_cases.release_ports import OpenedPackage, ReleaseShelf

JOSE: Final = "application/jose"
PACKAGE: Final = "application/octet-stream"
_ASK_AGAIN: Final = "no-cache"
"""What is kept has to be compared with the server's tag first."""

Tag = Annotated[str | None, Header(max_length=200)]


def release_router(releases: ReleaseShelf) -> APIRouter:
    """Return the routes over what is offered."""
    router = APIRouter(
        prefix="/api/releases",
        tags=["releases"],
        dependencies=[Depends(public("a release is signed and holds no secrets; an agent asks without a person"))],
    )

    @router.get(
        MANIFEST_PATH.removeprefix("/api/releases"),
        summary="The newest desktop release: a signed manifest (compact JWS)",
        response_class=Response,
        responses={
            200: {"description": "The manifest", "content": {JOSE: {"schema": {"type": "string"}}}},
            304: {"description": "It is the one that the caller has"},
            404: {"description": "No release is offered here"},
        },
    )
    async def read_manifest(if_none_match: Tag = None) -> Response:
        found = await releases.manifest()
        if found is None:
            message = "no release is offered here"
            raise NotFoundError(message, code="no_release")
        headers = {"ETag": found.etag, "Cache-Control": _ASK_AGAIN}
        if if_none_match is not None and found.etag in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(found.token, media_type=JOSE, headers=headers)

    @router.get(
        "/files/{name}",
        summary="A file of the release",
        response_class=StreamingResponse,
        responses={
            200: {"description": "The file", "content": {PACKAGE: {"schema": {"type": "string", "format": "binary"}}}},
            206: {"description": "The bytes that were asked for"},
            404: {"description": "There is no such file"},
            416: {"description": "The file has no such bytes"},
        },
    )
    async def read_file(
        name: Annotated[str, Path(max_length=128, examples=["precisionpulse_0.2.0_amd64.deb"])],
        range_: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
        if_range: Tag = None,
    ) -> Response:
        package = await releases.open(name)
        if package is None:
            message = "there is no such file"
            raise NotFoundError(message, code="no_such_file")
        return _answer(package, name, range_ if if_range in {None, package.etag} else None)

    return router


def _answer(package: OpenedPackage, name: str, range_: str | None) -> Response:
    try:
        part = read_range(range_, package.size)
    except ValueError:
        package.close()
        message = f"the file has {package.size} bytes"
        raise PulseError("range_not_satisfiable", message, 416) from None
    wanted = part or ByteRange(0, package.size - 1)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(wanted.last - wanted.first + 1),
        "Accept-Ranges": "bytes",
        "ETag": package.etag,
        "Cache-Control": _ASK_AGAIN,
    }
    if part is not None:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{package.size}"
    return FileStream(
        package.chunks(wanted.first, wanted.last),
        package.close,
        status_code=200 if part is None else 206,
        media_type=PACKAGE,
        headers=headers,
    )
