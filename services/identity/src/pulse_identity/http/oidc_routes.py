"""The way in by another sign-in provider: there and back again. Off unless one is configured."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Cookie, Depends, Query, Request, Response
from starlette.responses import RedirectResponse

from pulse_chassis.bearer import public
from pulse_chassis.errors import NotFoundError, PulseError, UnauthorizedError
from pulse_identity.domain.fields import PLAIN_TEXT
from pulse_identity.http.auth_routes import Credentials
from pulse_identity.http.cookies import set_refresh_cookie
from pulse_identity.http.use_case_set import Client, Given, UseCases
from pulse_identity.use_cases.sign_in_externally import LIFETIME, SignInExternally

router = APIRouter(tags=["sessions"], prefix="/api/auth/oidc")
COOKIE = "pulse_oidc"
COOKIE_PATH = "/api/auth/oidc"
_Text = Annotated[str | None, Query(max_length=2048, pattern=PLAIN_TEXT)]
_REDIRECT: dict[int | str, dict[str, Any]] = {
    303: {"description": "To the provider, or back to the page"},
    404: {"description": "There is no other provider here"},
}


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """What the provider has the browser bring back."""

    code: str | None
    state: str | None
    error: str | None


async def _answer(code: _Text = None, state: _Text = None, error: _Text = None) -> ProviderAnswer:
    return ProviderAnswer(code, state, error)


@router.get(
    "/login",
    dependencies=[Depends(public("signing in")), Credentials],
    status_code=303,
    response_class=RedirectResponse,
    responses=_REDIRECT,
    summary="Sign in with the other provider",
)
async def begin(
    request: Request,
    given: Given,
    return_to: Annotated[str, Query(max_length=512, description="a path of this site to come back to")] = "/",
) -> Response:
    """Send the browser to the provider."""
    url, kept = await _door(given).begin(return_to)
    response = RedirectResponse(url, status_code=303)
    response.set_cookie(
        COOKIE,
        base64.urlsafe_b64encode(kept).decode(),
        max_age=int(LIFETIME.total_seconds()),
        path=COOKIE_PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",  # The provider's redirect comes from another site.
    )
    return response


@router.get(
    "/callback",
    dependencies=[Depends(public("the provider's code is the credential")), Credentials],
    status_code=303,
    response_class=RedirectResponse,
    responses=_REDIRECT,
    summary="Come back from the other provider",
)
async def finish(
    request: Request,
    given: Given,
    client: Client,
    answer: Annotated[ProviderAnswer, Depends(_answer)],
    kept: Annotated[str | None, Cookie(alias=COOKIE, max_length=4096)] = None,
) -> Response:
    """Open a session; the refresh token is in the cookie, as after a sign-in with `use_cookie`."""
    door = _door(given)
    try:
        if answer.error is not None or answer.code is None or answer.state is None:
            message = "the other sign-in provider did not let you in"
            raise UnauthorizedError(message, code="oidc_refused")
        signed_in, return_to = await door.finish(_bytes(kept), answer.state, answer.code, client)
    except PulseError:
        given.count.add("sign_ins_refused")
        raise
    given.count.add("sign_ins")
    response = RedirectResponse(return_to, status_code=303)
    set_refresh_cookie(request, response, signed_in.refresh_token, signed_in.refresh_expires_at)
    response.delete_cookie(COOKIE, path=COOKIE_PATH, httponly=True, samesite="lax")
    return response


def _door(given: UseCases) -> SignInExternally:
    if given.sign_in_externally is None:
        message = "there is no other sign-in provider here"
        raise NotFoundError(message, code="oidc_disabled")
    return given.sign_in_externally


def _bytes(kept: str | None) -> bytes | None:
    try:
        return None if kept is None else base64.urlsafe_b64decode(kept)
    except (ValueError, binascii.Error):
        return None
