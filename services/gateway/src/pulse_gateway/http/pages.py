"""What a browser gets: the built dashboard if there is one, else a small page that says what is running."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import FileResponse, HTMLResponse, Response

from pulse_chassis.bearer import public
from pulse_chassis.errors import NotFoundError
from pulse_chassis.route_bounds import not_rate_limited

_POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; object-src 'none'; frame-ancestors 'none'; "
    "base-uri 'self'; form-action 'self'"
)
"""Scripts from here only; charts and layouts set style attributes."""
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"

_PLAIN: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>PrecisionPulse</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}}
code{{background:#8882;padding:.1em .3em;border-radius:.2em}}:root{{color-scheme:light dark}}</style></head>
<body><h1>PrecisionPulse is running</h1>
<p>This is the gateway. The dashboard has not been built here, so there is nothing to click yet.</p>
<ul>
<li>Live socket: <code>/ws/live</code>, subprotocol <code>precisionpulse.v1</code>
 (<a href="/api/live/asyncapi.json">AsyncAPI</a>)</li>
<li>API: <a href="/api/docs">documentation</a></li>
<li>Other services' APIs: {services}</li>
<li>State: <a href="/readyz">readiness</a>, <a href="/metrics">metrics</a></li>
</ul></body></html>
"""


def pages_router(dashboard: Path | None, services: list[str]) -> APIRouter:
    """Return the routes of the pages; they are to be included last, because they take every path."""
    router = APIRouter(
        include_in_schema=False,
        dependencies=[
            Depends(public("the shell of the dashboard holds no data")),
            Depends(not_rate_limited("files, which a page asks for by the dozen")),
        ],
    )
    root = dashboard.resolve() if dashboard is not None and (dashboard / "index.html").is_file() else None
    if root is None:
        links = ", ".join(f'<a href="/api/openapi/{name}.json">{name}</a>' for name in services) or "none"
        plain = _PLAIN.format(services=links)

        async def read_plain_page() -> Response:
            return HTMLResponse(plain, headers={"Content-Security-Policy": _POLICY, "Cache-Control": _ASK_AGAIN})

        router.add_api_route("/", read_plain_page, methods=["GET", "HEAD"], response_model=None)
        return router

    async def read_file(request: Request) -> Response:
        return _file(root, request.url.path.lstrip("/"))

    router.add_api_route("/{rest:path}", read_file, methods=["GET", "HEAD"], response_model=None)
    return router


def _file(root: Path, path: str) -> Response:
    if path.split("/", maxsplit=1)[0] in {"api", "ws"} or "\x00" in path:
        message = "there is nothing here"
        raise NotFoundError(message)
    found = (root / path).resolve()
    if not found.is_relative_to(root) or not found.is_file():
        if Path(path).suffix:
            message = "there is no such file"
            raise NotFoundError(message)
        # A path of the dashboard's own router.
        found = root / "index.html"
    is_hashed = found.parent.name == "assets"
    return FileResponse(
        found,
        headers={
            "Content-Security-Policy": _POLICY,
            "Cache-Control": _FOR_EVER if is_hashed else _ASK_AGAIN,
            "Service-Worker-Allowed": "/",
        },
    )
