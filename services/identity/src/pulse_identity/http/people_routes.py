"""Users, and what an administrator sees and ends of their sessions."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response

from pulse_chassis.api_links import link, links
from pulse_chassis.bearer import Principal, requires
from pulse_chassis.http_preconditions import IfMatch, set_etag
from pulse_contracts.permissions import Permission
from pulse_identity.domain.fields import PLAIN_TEXT
from pulse_identity.domain.people import User
from pulse_identity.domain.queries import Page, UserFilter, UserSort
from pulse_identity.http.account_schemas import SessionList
from pulse_identity.http.schemas import ChangeUserBody, CreateUserBody, UserAnswer, UserPage
from pulse_identity.http.use_case_set import Given, caller_of
from pulse_identity.use_cases.change_user import UserChange

router = APIRouter(tags=["people"])
MAX_PAGE = 10_000
Search = Annotated[
    str | None, Query(max_length=64, pattern=PLAIN_TEXT, description="part of a name", examples=["pump"])
]
PageNumber = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Limit = Annotated[int, Query(ge=1, le=500)]

UserId = Annotated[UUID, Path(examples=["5b0f6e0c-6b0a-4a53-9a53-0d1c7a1f2e11"])]
_SELF = {"user_id": "$response.body#/id"}
_USER_LINKS = {
    "read": link("GET /api/users/{user_id}", _SELF),
    "change": link("PATCH /api/users/{user_id}", _SELF, if_match=True),
    "toggle": link("PUT /api/users/{user_id}/toggle-status", _SELF, if_match=True),
    "delete": link("DELETE /api/users/{user_id}", _SELF, if_match=True),
    "sessions": link("GET /api/users/{user_id}/sessions", _SELF),
    "end_sessions": link("DELETE /api/users/{user_id}/sessions", _SELF),
}
UserReader = Annotated[Principal, Depends(requires(Permission.USERS_READ))]
UserWriter = Annotated[Principal, Depends(requires(Permission.USERS_WRITE))]


async def _wanted(
    q: Search = None,
    role: Annotated[
        str | None, Query(max_length=64, pattern=PLAIN_TEXT, description="name of a role", examples=["operator"])
    ] = None,
    is_active: bool | None = None,
    sort: UserSort = UserSort.USERNAME,
) -> UserFilter:
    return UserFilter(q or None, role or None, is_active, sort)


Wanted = Annotated[UserFilter, Depends(_wanted)]


@router.get("/api/users", summary="List users")
async def list_users(
    principal: UserReader, given: Given, wanted: Wanted, page: PageNumber = 1, limit: Limit = 50
) -> UserPage:
    """Return a page of users, by name unless sorted otherwise."""
    part = Page(limit=limit, offset=(page - 1) * limit)
    users, total = await given.find_people.users(caller_of(principal), wanted, part)
    return UserPage(items=[UserAnswer.of(user) for user in users], total=total, page=page, limit=limit)


@router.post("/api/users", status_code=201, responses=links(201, _USER_LINKS), summary="Add a user")
async def create_user(body: CreateUserBody, principal: UserWriter, given: Given, response: Response) -> UserAnswer:
    """Add a user; nobody gives rights that they lack."""
    return _answer(response, await given.create_user(caller_of(principal), body.wish()))


@router.get("/api/users/{user_id}", responses=links(200, _USER_LINKS), summary="Read a user")
async def read_user(user_id: UserId, principal: UserReader, given: Given, response: Response) -> UserAnswer:
    """Return a user."""
    return _answer(response, await given.find_people.user(caller_of(principal), user_id))


@router.patch("/api/users/{user_id}", responses=links(200, _USER_LINKS), summary="Change a user")
async def change_user(
    user_id: UserId, body: ChangeUserBody, principal: UserWriter, given: Given, expected: IfMatch, response: Response
) -> UserAnswer:
    """Change a user; a new password or a disabled account ends all sessions of the user."""
    return _answer(response, await given.change_user(caller_of(principal), user_id, body.change(), expected))


@router.put("/api/users/{user_id}/toggle-status", summary="Enable or disable a user")
async def toggle_user(
    user_id: UserId, principal: UserWriter, given: Given, expected: IfMatch, response: Response
) -> UserAnswer:
    """Turn a user's active state around: with the version that was seen, so that a repeated call does not undo it."""
    change = UserChange(toggles=True)
    return _answer(response, await given.change_user(caller_of(principal), user_id, change, expected))


@router.delete("/api/users/{user_id}", status_code=204, summary="Delete a user")
async def delete_user(user_id: UserId, principal: UserWriter, given: Given, expected: IfMatch) -> Response:
    """Delete a user; devices of theirs stay without an owner."""
    await given.delete_user(caller_of(principal), user_id, expected)
    return Response(status_code=204)


@router.get("/api/users/{user_id}/sessions", summary="List a user's sessions")
async def list_sessions(user_id: UserId, principal: UserReader, given: Given) -> SessionList:
    """Return the open sessions of a user."""
    views = await given.end_sessions.of_user(caller_of(principal), user_id)
    return SessionList.of(views, principal.session_id)


@router.delete("/api/users/{user_id}/sessions", status_code=204, summary="End all sessions of a user")
async def end_sessions(user_id: UserId, principal: UserWriter, given: Given) -> Response:
    """Sign a user out everywhere."""
    await given.end_sessions.end_of_user(caller_of(principal), user_id)
    return Response(status_code=204)


@router.delete("/api/users/{user_id}/sessions/{session_id}", status_code=204, summary="End one session of a user")
async def end_session(user_id: UserId, session_id: UUID, principal: UserWriter, given: Given) -> Response:
    """End one session of a user."""
    await given.end_sessions.end_of_user(caller_of(principal), user_id, session_id)
    return Response(status_code=204)


def _answer(response: Response, user: User) -> UserAnswer:
    set_etag(response, user.version)
    return UserAnswer.of(user)
