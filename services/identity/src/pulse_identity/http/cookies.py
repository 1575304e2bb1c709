"""The refresh token in a browser: a cookie that no script can read and no other site can use.

SameSite=Strict already keeps it from other sites' requests; the headers that say where a request comes from are checked
all the same, because a browser's idea of "same site" includes sibling domains.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response

from pulse_chassis.errors import ForbiddenError

COOKIE: Final = "pulse_refresh"
COOKIE_PATH: Final = "/api/auth"


def set_refresh_cookie(request: Request, response: Response, token: str, expires_at: datetime) -> None:
    """Give the browser its refresh token; over TLS the cookie never travels without."""
    response.set_cookie(
        COOKIE,
        token,
        expires=expires_at,
        path=COOKIE_PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def clear_refresh_cookie(request: Request, response: Response) -> None:
    """Take the refresh token from the browser."""
    response.delete_cookie(
        COOKIE, path=COOKIE_PATH, secure=request.url.scheme == "https", httponly=True, samesite="strict"
    )


def check_same_origin(request: Request, allowed_origins: frozenset[str]) -> None:
    """Raise ForbiddenError unless a page of ours made this request.

    A browser that says `Sec-Fetch-Site: same-origin` is believed; otherwise `Origin` must be our own or an allowed one.
    Neither header: not a browser, and so no business with the cookie.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site == "same-origin":
        return
    if origin is not None and origin in allowed_origins:
        return
    if site is None and origin is not None and _host(origin) == _own_host(request):
        return
    message = "the session cookie is only for pages of this origin"
    raise ForbiddenError(message, code="cross_origin")


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.casefold() or None
    except ValueError:
        return None


def _own_host(request: Request) -> str:
    # The gateway says which host the browser asked. A page of another site cannot: a header of its own making needs
    # a preflight, which allows this one to nobody.
    return (request.headers.get("x-forwarded-host") or request.headers.get("host", "")).casefold()
