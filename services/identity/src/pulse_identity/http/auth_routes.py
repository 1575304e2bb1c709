"""Signing in, refreshing, signing out, and the keys that tokens are verified with."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, Request, Response

from pulse_chassis.bearer import public
from pulse_chassis.edge_policy import RateClass
from pulse_chassis.errors import PulseError, UnauthorizedError
from pulse_chassis.route_bounds import body_bound, in_turn, not_rate_limited, rate_limited
from pulse_contracts.tokens import JWKS_PATH
from pulse_identity.http.cookies import COOKIE, check_same_origin, clear_refresh_cookie, set_refresh_cookie
from pulse_identity.http.schemas import JsonWebKeySet, LoginBody, RefreshBody, TokenAnswer
from pulse_identity.http.use_case_set import Client, Given

router = APIRouter(tags=["sessions"])
RefreshCookie = Annotated[str | None, Cookie(alias=COOKIE, max_length=256)]
Credentials = Depends(rate_limited(RateClass.CREDENTIALS))
# The longest password, each character escaped, and the longest name: what everybody in line may have us hold.
_LOGIN_BYTES = 16 * 1024
_KEYS_MAX_AGE = "public, max-age=60"


@router.post(
    "/api/auth/login",
    dependencies=[Depends(public("signing in")), Credentials, Depends(in_turn()), Depends(body_bound(_LOGIN_BYTES))],
    summary="Sign in",
)
async def log_in(body: LoginBody, request: Request, response: Response, given: Given, client: Client) -> TokenAnswer:
    """Open a session with a username and a password."""
    if body.use_cookie:
        check_same_origin(request, given.allowed_origins)
    try:
        signed_in = await given.sign_in(body.username, body.password, client)
    except PulseError:
        given.count.add("sign_ins_refused")
        raise
    given.count.add("sign_ins")
    if body.use_cookie:
        set_refresh_cookie(request, response, signed_in.refresh_token, signed_in.refresh_expires_at)
    return TokenAnswer.of(signed_in, in_cookie=body.use_cookie)


@router.post(
    "/api/auth/refresh",
    dependencies=[Depends(public("the refresh token is the credential")), Credentials],
    summary="Turn the refresh token in for the next one",
)
async def refresh(
    request: Request,
    response: Response,
    given: Given,
    client: Client,
    body: RefreshBody | None = None,
    cookie: RefreshCookie = None,
) -> TokenAnswer:
    """Return the session's next tokens: in the body if the token came in the body, else in the cookie."""
    token, in_cookie = _refresh_token(request, given, body, cookie)
    if token is None:
        message = "there is no refresh token in the body or the cookie"
        raise UnauthorizedError(message, code="refresh_token_missing")
    try:
        signed_in = await given.refresh_session(token, client)
    except PulseError:
        given.count.add("refreshes_refused")
        raise
    given.count.add("refreshes")
    if in_cookie:
        set_refresh_cookie(request, response, signed_in.refresh_token, signed_in.refresh_expires_at)
    return TokenAnswer.of(signed_in, in_cookie=in_cookie)


@router.post(
    "/api/auth/logout",
    dependencies=[Depends(public("the refresh token is the credential")), Credentials],
    status_code=204,
    summary="Sign out",
)
async def log_out(
    request: Request,
    given: Given,
    body: RefreshBody | None = None,
    cookie: RefreshCookie = None,
) -> Response:
    """End the session; it is no error if it has ended already."""
    token, in_cookie = _refresh_token(request, given, body, cookie)
    if token is not None:
        await given.sign_out(token)
    response = Response(status_code=204)
    if in_cookie:
        clear_refresh_cookie(request, response)
    return response


@router.get(
    JWKS_PATH,
    dependencies=[
        Depends(public("public keys, for whoever verifies a token")),
        Depends(not_rate_limited("without the keys every service refuses everybody")),
    ],
    summary="The keys that access tokens are verified with",
)
async def read_keys(response: Response, given: Given) -> JsonWebKeySet:
    """Return the JSON Web Key Set."""
    response.headers["Cache-Control"] = _KEYS_MAX_AGE
    return JsonWebKeySet.model_validate(await given.published_keys())


def _refresh_token(
    request: Request, given: Given, body: RefreshBody | None, cookie: str | None
) -> tuple[str | None, bool]:
    """Return the token and whether it came in the cookie, which only pages of ours may use."""
    if body is not None and body.refresh_token is not None:
        return body.refresh_token, False
    if cookie is not None:
        check_same_origin(request, given.allowed_origins)
    return cookie, cookie is not None
