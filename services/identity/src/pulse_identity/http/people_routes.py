"""Users, roles, permissions, and oneself."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from pulse_chassis.bearer import Principal, authenticated, requires
from pulse_contracts.permissions import Permission
from pulse_identity.domain.queries import Page
from pulse_identity.http.schemas import (
    PLAIN_TEXT,
    ChangeUserBody,
    CreateUserBody,
    PermissionAnswer,
    PermissionList,
    ProfileAnswer,
    RoleAnswer,
    RoleList,
    UserAnswer,
    UserPage,
)
from pulse_identity.http.use_case_set import Given, caller_of
from pulse_identity.use_cases.change_user import UserChange

router = APIRouter(tags=["people"])
MAX_PAGE = 10_000
Search = Annotated[str | None, Query(max_length=64, pattern=PLAIN_TEXT, description="part of a name")]
PageNumber = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Limit = Annotated[int, Query(ge=1, le=500)]

SignedIn = Annotated[Principal, Depends(authenticated())]
UserReader = Annotated[Principal, Depends(requires(Permission.USERS_READ))]
UserWriter = Annotated[Principal, Depends(requires(Permission.USERS_WRITE))]
RoleReader = Annotated[Principal, Depends(requires(Permission.ROLES_READ))]


@router.get("/api/profile", summary="Who am I?")
async def read_profile(principal: SignedIn, given: Given) -> ProfileAnswer:
    """Return one's own account with the rights that hold now."""
    user = await given.find_people.profile(caller_of(principal))
    return ProfileAnswer(**UserAnswer.of(user).model_dump(), session_id=principal.session_id)


@router.get("/api/users", summary="List users")
async def list_users(
    principal: UserReader, given: Given, q: Search = None, page: PageNumber = 1, limit: Limit = 50
) -> UserPage:
    """Return a page of users, by name."""
    part = Page(limit=limit, offset=(page - 1) * limit)
    users, total = await given.find_people.users(caller_of(principal), q or None, part)
    return UserPage(items=[UserAnswer.of(user) for user in users], total=total, page=page, limit=limit)


@router.post("/api/users", status_code=201, summary="Add a user")
async def create_user(body: CreateUserBody, principal: UserWriter, given: Given) -> UserAnswer:
    """Add a user; nobody gives rights that they lack."""
    return UserAnswer.of(await given.create_user(caller_of(principal), body.wish()))


@router.get("/api/users/{user_id}", summary="Read a user")
async def read_user(user_id: UUID, principal: UserReader, given: Given) -> UserAnswer:
    """Return a user."""
    return UserAnswer.of(await given.find_people.user(caller_of(principal), user_id))


@router.patch("/api/users/{user_id}", summary="Change a user")
async def change_user(user_id: UUID, body: ChangeUserBody, principal: UserWriter, given: Given) -> UserAnswer:
    """Change a user; a new password or a disabled account ends all sessions of the user."""
    return UserAnswer.of(await given.change_user(caller_of(principal), user_id, body.change()))


@router.put("/api/users/{user_id}/toggle-status", summary="Enable or disable a user")
async def toggle_user(user_id: UUID, principal: UserWriter, given: Given) -> UserAnswer:
    """Turn a user's active state around."""
    return UserAnswer.of(await given.change_user(caller_of(principal), user_id, UserChange(toggles=True)))


@router.delete("/api/users/{user_id}", status_code=204, summary="Delete a user")
async def delete_user(user_id: UUID, principal: UserWriter, given: Given) -> Response:
    """Delete a user; devices of theirs stay without an owner."""
    await given.delete_user(caller_of(principal), user_id)
    return Response(status_code=204)


@router.get("/api/roles", summary="List roles")
async def list_roles(principal: RoleReader, given: Given) -> RoleList:
    """Return all roles."""
    roles = await given.find_people.roles(caller_of(principal))
    return RoleList(items=[RoleAnswer.of(role) for role in roles])


@router.get("/api/permissions", summary="List permissions")
async def list_permissions(principal: RoleReader, given: Given) -> PermissionList:
    """Return everything that a role can allow."""
    permissions = await given.find_people.permissions(caller_of(principal))
    return PermissionList(
        items=[
            PermissionAnswer(name=permission.value, description=permission.description) for permission in permissions
        ]
    )
