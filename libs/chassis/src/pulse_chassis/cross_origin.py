"""Which pages of other origins may use the API and read its answers: Starlette's CORS layer over one exact list.

Guaranteed: an origin that is not on the list gets no CORS header in any answer, and a preflight of it a problem
document that says so; credentials are allowed to listed origins only. Without a list there are no other origins.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pulse_chassis.problems import make_problem, problem_response

ALLOWED_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ALLOWED_HEADERS: Final = ("Authorization", "Content-Type", "If-Match", "Idempotency-Key", "X-Request-ID")
EXPOSED_HEADERS: Final = (
    "ETag", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-ID", "Idempotency-Replayed",
    "Content-Disposition",
)  # fmt: skip
PREFLIGHT_SECONDS: Final = 600


class CrossOrigin(CORSMiddleware):
    """The layer; `origins` as `edge_policy.parse_origins` returns them."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=ALLOWED_METHODS,
            allow_headers=ALLOWED_HEADERS,
            allow_credentials=True,
            expose_headers=EXPOSED_HEADERS,
            max_age=PREFLIGHT_SECONDS,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight; one that is refused says what is not allowed, and allows nothing."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        refused = bytes(answer.body).decode().removeprefix("Disallowed CORS ")
        problem = make_problem(400, "cross_origin", f"not allowed from another origin: {refused}")
        return problem_response(problem, {"Vary": answer.headers["Vary"]})

    async def simple_response(self, scope: Scope, receive: Receive, send: Send, request_headers: Headers) -> None:
        """Answer a request itself."""
        origin = request_headers.get("origin")
        if origin is not None and self.is_allowed_origin(origin):
            await super().simple_response(scope, receive, send, request_headers)
            return

        async def send_without(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).add_vary_header("Origin")
            await send(message)

        await self.app(scope, receive, send_without)
