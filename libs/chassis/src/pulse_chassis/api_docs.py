"""The page at /api/docs and the document behind it, served by this process alone.

Swagger UI's files come from an installed package (`fastapi-offline`, of which only the files are used): the page works
without the Internet and under a content policy that allows no foreign and no inline script.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from pulse_chassis.bearer import declares_access

OPENAPI_PATH: Final = "/api/openapi.json"
DOCS_PATH: Final = "/api/docs"

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>PrecisionPulse API</title>
<link rel="icon" href="docs/favicon.png"><link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body><div id="docs"></div><script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body>
</html>
"""
_START: Final = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#docs", deepLinking: true});\n'
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Swagger UI sets style attributes; scripts come from here only."""
_FILES: Final = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon.png")
_CACHE: Final = {"Cache-Control": "public, max-age=3600"}
_open_to_all: Final = declares_access("public: how to use the API is no secret")


def install_docs(app: FastAPI) -> None:
    """Serve the OpenAPI document and the page that shows it."""

    @_open_to_all
    async def read_document(_request: Request) -> JSONResponse:
        return JSONResponse(app.openapi())

    app.add_route(OPENAPI_PATH, read_document, include_in_schema=False)
    app.add_route(DOCS_PATH, _read_page, include_in_schema=False)
    app.add_route(f"{DOCS_PATH}/start.js", _read_start, include_in_schema=False)
    for name in _FILES:
        app.add_route(f"{DOCS_PATH}/{name}", _read_file, include_in_schema=False)


@_open_to_all
async def _read_page(_request: Request) -> Response:
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@_open_to_all
async def _read_start(_request: Request) -> Response:
    return Response(_START, media_type="text/javascript", headers=_CACHE)


@_open_to_all
async def _read_file(request: Request) -> Response:
    return FileResponse(_assets() / request.url.path.rpartition("/")[2], headers=_CACHE)


def _assets() -> Path:
    found = find_spec("fastapi_offline")
    if found is None or found.origin is None:
        message = "the package fastapi-offline is not installed"
        raise RuntimeError(message)
    return Path(found.origin).parent / "static"
