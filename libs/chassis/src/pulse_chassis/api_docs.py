"""The page at /api/docs and the document behind it, from this process alone: no content network, no inline script."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from pulse_chassis.bearer import declares_access

OPENAPI_PATH: Final = "/api/openapi.json"
DOCS_PATH: Final = "/api/docs"


def install_docs(app: FastAPI) -> None:
    """Serve the OpenAPI document and a page that shows it."""

    @declares_access("public: how to use the API is no secret")
    async def read_document(_request: Request) -> JSONResponse:
        return JSONResponse(app.openapi())

    app.add_route(OPENAPI_PATH, read_document, include_in_schema=False)
