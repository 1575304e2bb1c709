"""Oneself: account, password, sessions; and, where it is allowed, how one comes to have an account."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from pulse_chassis.bearer import Principal, authenticated, public
from pulse_chassis.http_preconditions import IfMatch, set_etag
from pulse_identity.domain.people import User
from pulse_identity.http.account_schemas import (
    MethodsAnswer,
    PasswordBody,
    ProfileBody,
    RegistrationBody,
    SessionList,
)
from pulse_identity.http.auth_routes import Credentials
from pulse_identity.http.cookies import clear_refresh_cookie
from pulse_identity.http.schemas import ProfileAnswer, UserAnswer
from pulse_identity.http.use_case_set import Client, Given, caller_of

router = APIRouter(tags=["oneself"])
SignedIn = Annotated[Principal, Depends(authenticated())]


@router.get("/api/profile", summary="Who am I?")
async def read_profile(principal: SignedIn, given: Given, response: Response) -> ProfileAnswer:
    """Return one's own account with the rights that hold now."""
    return _profile(response, principal, await given.find_people.profile(caller_of(principal)))


@router.put("/api/profile", summary="Change one's name and e-mail")
async def change_profile(
    body: ProfileBody, principal: SignedIn, given: Given, expected: IfMatch, response: Response
) -> ProfileAnswer:
    """Change what everybody may change of themselves; roles and rights are somebody else's to give."""
    user = await given.change_profile(caller_of(principal), body.username, body.email, expected)
    return _profile(response, principal, user)


@router.put("/api/profile/password", status_code=204, dependencies=[Credentials], summary="Change one's password")
async def change_password(body: PasswordBody, principal: SignedIn, given: Given, client: Client) -> Response:
    """Replace the password; all other sessions end. The current password says that it is really you."""
    caller = caller_of(principal)
    await given.change_profile.password(caller, body.current_password, body.new_password, client.address)
    return Response(status_code=204)


@router.get("/api/profile/sessions", summary="List one's sessions")
async def list_sessions(principal: SignedIn, given: Given) -> SessionList:
    """Return one's open sessions: where one is signed in."""
    return SessionList.of(await given.end_sessions.own(caller_of(principal)), principal.session_id)


@router.delete("/api/profile/sessions", status_code=204, summary="End one's other sessions")
async def end_other_sessions(principal: SignedIn, given: Given) -> Response:
    """Sign out everywhere but here."""
    await given.end_sessions.end_others(caller_of(principal))
    return Response(status_code=204)


@router.delete("/api/profile/sessions/{session_id}", status_code=204, summary="End one of one's sessions")
async def end_session(session_id: UUID, principal: SignedIn, given: Given) -> Response:
    """End one session; its tokens are refused and its sockets closed within a second."""
    await given.end_sessions.end_own(caller_of(principal), session_id)
    return Response(status_code=204)


@router.post("/api/auth/logout-everywhere", status_code=204, summary="Sign out everywhere")
async def log_out_everywhere(principal: SignedIn, request: Request, given: Given) -> Response:
    """End all of one's sessions, this one too."""
    await given.end_sessions.end_everywhere(caller_of(principal))
    response = Response(status_code=204)
    clear_refresh_cookie(request, response)
    return response


@router.get(
    "/api/auth/methods",
    dependencies=[Depends(public("what a sign-in page has to know"))],
    summary="How can one sign in?",
)
async def read_methods(given: Given) -> MethodsAnswer:
    """Return the ways in."""
    methods = given.sign_in_methods
    return MethodsAnswer(registration=methods.registration, oidc=methods.oidc)


@router.post(
    "/api/auth/register",
    status_code=201,
    dependencies=[Depends(public("off unless the operator allows it; gives no role")), Credentials],
    summary="Make an account for oneself",
)
async def register(body: RegistrationBody, given: Given, client: Client) -> UserAnswer:
    """Add an account without any role; an administrator gives it one."""
    return UserAnswer.of(await given.register_user(body.username, body.password, body.email, client.address))


def _profile(response: Response, principal: Principal, user: User) -> ProfileAnswer:
    set_etag(response, user.version)
    return ProfileAnswer(**UserAnswer.of(user).model_dump(), session_id=principal.session_id)
