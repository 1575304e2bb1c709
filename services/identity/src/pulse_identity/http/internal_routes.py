"""What other services ask of identity (`pulse_contracts.identity_sync`): not for people, and not forwarded by the gateway."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends

from pulse_chassis.internal_key import from_a_service
from pulse_chassis.route_bounds import body_bound, not_rate_limited
from pulse_contracts.identity_sync import (
    OPERATIONS_PATH,
    RESTORES_PATH,
    VERIFIERS_PATH,
    ApplyRequest,
    ApplyResult,
    RestoreRequest,
    VerifierRequest,
    VerifierResult,
)
from pulse_contracts.operations import SyncedRow
from pulse_identity.http.use_case_set import Given

MAX_BODY_BYTES: Final = 2 * 1024 * 1024
"""A push of the largest operations that there can be."""
router = APIRouter(
    include_in_schema=False,
    dependencies=[
        Depends(from_a_service),
        Depends(not_rate_limited("another service asks here for all of its clients, and bounds them itself")),
    ],
)


@router.post(OPERATIONS_PATH, dependencies=[Depends(body_bound(MAX_BODY_BYTES))])
async def apply_operations(body: ApplyRequest, given: Given) -> ApplyResult:
    """Apply a desktop's operations, each for itself and at most once."""
    return ApplyResult(outcomes=await given.apply_operations(body.desktop_id, body.operations))


@router.post(RESTORES_PATH)
async def restore(body: RestoreRequest, given: Given) -> SyncedRow:
    """Make the lost side of a conflict stand; return the row as it is now."""
    return await given.restore_edit(body.actor, body.entity, body.id, body.fields)


@router.post(VERIFIERS_PATH)
async def issue_verifiers(body: VerifierRequest, given: Given) -> VerifierResult:
    """Return password verifiers for one desktop."""
    return VerifierResult(verifiers=await given.issue_verifiers(body.desktop_id, body.user_ids))
