"""What signing in with another provider needs from outside; `ports` has the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from pulse_identity.domain.external_people import ExternalPerson


class IdentityLinkStore(Protocol):
    """Which user a provider's subject is."""

    async def user_of(self, issuer: str, subject: str) -> UUID | None:
        """Return the user."""
        ...

    async def link(self, issuer: str, subject: str, user_id: UUID, now: datetime) -> None:
        """Note the user. The caller holds the lock of this subject."""
        ...


class SignInProvider(Protocol):
    """An OpenID Connect provider. Both raise UnavailableError when it cannot be asked."""

    async def begin(self, state: str, nonce: str, verifier: str) -> str:
        """Return where the browser is sent."""
        ...

    async def redeem(self, code: str, nonce: str, verifier: str) -> ExternalPerson:
        """Return whom the code stands for; raises UnauthorizedError when anything about the answer is not right."""
        ...
