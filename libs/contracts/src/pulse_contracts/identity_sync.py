"""What sync asks of identity, which owns people and roles: over HTTP under `/internal`, with the services' own key.

The gateway and the Ingress forward no `/internal`. Rows travel by identity's published views `identity.synced_row` and
`identity.desktop`; this is only for what needs identity's rules or secrets.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pulse_contracts.ids import ClientIdField
from pulse_contracts.operations import MAX_OPERATIONS, OperationOutcome
from pulse_contracts.sync import PasswordVerifier

OPERATIONS_PATH: Final = "/internal/operations"
RESTORES_PATH: Final = "/internal/restores"
VERIFIERS_PATH: Final = "/internal/verifiers"
MAX_VERIFIERS: Final = 500


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ApplyRequest(_Body):
    """Apply a desktop's operations, each a compact JWS, in this order; each stands alone and is idempotent by op_id."""

    desktop_id: ClientIdField
    operations: Annotated[list[str], Field(min_length=1, max_length=MAX_OPERATIONS)]


class ApplyResult(_Body):
    """One outcome for each operation, in the same order."""

    outcomes: list[OperationOutcome]


class RestoreRequest(_Body):
    """Make the lost side of a conflict stand after all: a new edit by `actor`, with their rights of now."""

    actor: UUID
    entity: Literal["users", "roles"]
    id: str
    fields: Annotated[dict[str, Any], Field(description="UserFields or RoleFields")]


class VerifierRequest(_Body):
    """Ask for the verifiers of some users on one desktop; a user without a password has none."""

    desktop_id: ClientIdField
    user_ids: Annotated[list[UUID], Field(max_length=MAX_VERIFIERS)]


class VerifierResult(_Body):
    """User id → verifier."""

    verifiers: dict[str, PasswordVerifier]
