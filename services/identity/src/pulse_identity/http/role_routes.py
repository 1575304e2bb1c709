"""Roles and what they can allow."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response

from pulse_chassis.api_links import link, links
from pulse_chassis.bearer import Principal, requires
from pulse_chassis.http_preconditions import IfMatch, set_etag
from pulse_contracts.permissions import Permission
from pulse_identity.domain.fields import PLAIN_TEXT
from pulse_identity.domain.people import Role
from pulse_identity.domain.queries import Page, RoleFilter, RoleSort
from pulse_identity.http.account_schemas import ChangeRoleBody, CreateRoleBody
from pulse_identity.http.people_routes import Limit, PageNumber, Search
from pulse_identity.http.schemas import PermissionAnswer, PermissionList, RoleAnswer, RolePage
from pulse_identity.http.use_case_set import Given, caller_of

router = APIRouter(tags=["roles"])
RoleId = Annotated[UUID, Path(examples=["0b8f1c52-4a57-4c8e-8a55-6a0f3b7d9c21"])]
_SELF = {"role_id": "$response.body#/id"}
_ROLE_LINKS = {
    "read": link("GET /api/roles/{role_id}", _SELF),
    "change": link("PATCH /api/roles/{role_id}", _SELF, if_match=True),
    "delete": link("DELETE /api/roles/{role_id}", _SELF, if_match=True),
}
Reader = Annotated[Principal, Depends(requires(Permission.ROLES_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.ROLES_WRITE))]


async def _wanted(
    q: Search = None,
    permission: Annotated[
        str | None,
        Query(max_length=64, pattern=PLAIN_TEXT, description="only roles that allow this", examples=["devices:read"]),
    ] = None,
    is_built_in: bool | None = None,
    sort: RoleSort = RoleSort.NAME,
) -> RoleFilter:
    return RoleFilter(q or None, permission or None, is_built_in, sort)


Wanted = Annotated[RoleFilter, Depends(_wanted)]


@router.get("/api/roles", summary="List roles")
async def list_roles(
    principal: Reader, given: Given, wanted: Wanted, page: PageNumber = 1, limit: Limit = 50
) -> RolePage:
    """Return a page of roles, by name unless sorted otherwise."""
    part = Page(limit=limit, offset=(page - 1) * limit)
    roles, total = await given.find_people.roles(caller_of(principal), wanted, part)
    return RolePage(items=[RoleAnswer.of(role) for role in roles], total=total, page=page, limit=limit)


@router.post("/api/roles", status_code=201, responses=links(201, _ROLE_LINKS), summary="Add a role")
async def create_role(body: CreateRoleBody, principal: Writer, given: Given, response: Response) -> RoleAnswer:
    """Add a role; nobody puts into it a right that they lack."""
    return _answer(response, await given.edit_roles.create(caller_of(principal), body.wish()))


@router.get("/api/roles/{role_id}", responses=links(200, _ROLE_LINKS), summary="Read a role")
async def read_role(role_id: RoleId, principal: Reader, given: Given, response: Response) -> RoleAnswer:
    """Return a role."""
    return _answer(response, await given.find_people.role(caller_of(principal), role_id))


@router.patch("/api/roles/{role_id}", responses=links(200, _ROLE_LINKS), summary="Change a role")
async def change_role(
    role_id: RoleId, body: ChangeRoleBody, principal: Writer, given: Given, expected: IfMatch, response: Response
) -> RoleAnswer:
    """Change a role that is not built in; who has it has the new rights at once."""
    return _answer(response, await given.edit_roles.change(caller_of(principal), role_id, body.change(), expected))


@router.delete("/api/roles/{role_id}", status_code=204, summary="Delete a role")
async def delete_role(
    role_id: RoleId,
    principal: Writer,
    given: Given,
    expected: IfMatch,
    reassign_to: Annotated[UUID | None, Query(description="the role that its users and shares get instead")] = None,
) -> Response:
    """Delete a role that is not built in; one that is in use only with the role that takes its place."""
    await given.edit_roles.delete(caller_of(principal), role_id, reassign_to, expected)
    return Response(status_code=204)


@router.get("/api/permissions", summary="List permissions")
async def list_permissions(principal: Reader, given: Given) -> PermissionList:
    """Return everything that a role can allow."""
    permissions = await given.find_people.permissions(caller_of(principal))
    return PermissionList(
        items=[
            PermissionAnswer(name=permission.value, description=permission.description) for permission in permissions
        ]
    )


def _answer(response: Response, role: Role) -> RoleAnswer:
    set_etag(response, role.version)
    return RoleAnswer.of(role)
