"""The access token's claims, and who issues them. Signed with ES256; verified offline with the published keys."""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

TOKEN_ISSUER: Final = "precisionpulse"  # noqa: S105 -- a name, not a secret
TOKEN_AUDIENCE: Final = "precisionpulse"  # noqa: S105 -- a name, not a secret
ACCESS_TOKEN_SECONDS: Final = 600
JWKS_PATH: Final = "/.well-known/jwks.json"


class AccessClaims(BaseModel):
    """What an access token says (security.md, tokens). Times are Unix seconds."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    iss: str
    aud: str
    sub: UUID
    sid: UUID
    typ: Literal["access"]
    username: str
    roles: list[str]
    perms: list[str]
    iat: int
    exp: int
