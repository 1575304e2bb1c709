"""What the use cases of roles need from outside; `ports` has the transaction that this store is a part of."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from pulse_identity.domain.people import Role
from pulse_identity.domain.queries import Page, RoleFilter


class RoleStore(Protocol):
    """Roles one by one or page by page; `PeopleStore` reads all of them."""

    async def page(self, wanted: RoleFilter, page: Page) -> tuple[list[Role], int]:
        """Return a page of the roles wanted, and how many match."""
        ...

    async def get(self, role_id: UUID, *, for_update: bool = False) -> Role | None:
        """Return a role; locked, nobody is given it or changes it until the transaction ends."""
        ...

    async def get_kept(self, role_id: UUID) -> Role | None:
        """Return a role that nobody changes or deletes until the transaction ends; meanwhile it may be given."""
        ...

    async def add(self, role: Role) -> None:
        """Add a role; raises ConflictError when its name is taken."""
        ...

    async def save(self, role: Role) -> None:
        """Write a role's fields and permissions; raises ConflictError as `add`."""
        ...

    async def usage(self, role_id: UUID) -> tuple[int, int]:
        """Return how many users have the role and how many devices are shared with it."""
        ...

    async def hand_over(self, role_id: UUID, successor_id: UUID) -> None:
        """Give users and shares of a role to another one; of two shares of a device the stronger stays."""
        ...

    async def delete(self, role_id: UUID) -> None:
        """Delete a role that nobody has."""
        ...

    async def permissions_beside(self, user_id: UUID, role_id: UUID) -> frozenset[str]:
        """Return what a user is allowed by roles other than this one."""
        ...
