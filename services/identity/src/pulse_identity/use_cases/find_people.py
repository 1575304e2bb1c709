"""Looking up users, roles and permissions."""

from __future__ import annotations

from uuid import UUID

from pulse_chassis.errors import NotFoundError, UnauthorizedError
from pulse_contracts.permissions import Permission
from pulse_identity.domain.people import Role, User
from pulse_identity.domain.queries import Page, RoleFilter, UserFilter
from pulse_identity.use_cases.authorise import Caller, authorise
from pulse_identity.use_cases.ports import Work


class FindPeople:
    """Reads what the caller may see of people and roles."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def profile(self, caller: Caller) -> User:
        """Return the caller's own account."""
        async with self._work() as unit:
            await authorise(unit, caller)
            user = await unit.people.user(caller.user_id)
        if user is None:
            message = "this session has ended"
            raise UnauthorizedError(message, code="session_ended")
        return user

    async def users(self, caller: Caller, wanted: UserFilter, page: Page) -> tuple[list[User], int]:
        """Return a page of users, and how many match."""
        async with self._work() as unit:
            await authorise(unit, caller, Permission.USERS_READ)
            return await unit.people.users(wanted, page)

    async def user(self, caller: Caller, user_id: UUID) -> User:
        """Return a user; raises NotFoundError."""
        async with self._work() as unit:
            await authorise(unit, caller, Permission.USERS_READ)
            user = await unit.people.user(user_id)
        if user is None:
            message = "there is no such user"
            raise NotFoundError(message, code="unknown_user")
        return user

    async def roles(self, caller: Caller, wanted: RoleFilter, page: Page) -> tuple[list[Role], int]:
        """Return a page of roles, and how many match."""
        async with self._work() as unit:
            await authorise(unit, caller, Permission.ROLES_READ)
            return await unit.roles.page(wanted, page)

    async def role(self, caller: Caller, role_id: UUID) -> Role:
        """Return a role; raises NotFoundError."""
        async with self._work() as unit:
            await authorise(unit, caller, Permission.ROLES_READ)
            role = await unit.roles.get(role_id)
        if role is None:
            message = "there is no such role"
            raise NotFoundError(message, code="unknown_role")
        return role

    async def permissions(self, caller: Caller) -> list[Permission]:
        """Return everything that a role can allow."""
        async with self._work() as unit:
            await authorise(unit, caller, Permission.ROLES_READ)
        return list(Permission)
