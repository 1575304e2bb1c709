"""`GET /api/sync/keys`: what an agent trusts and seals to, fetched when it enrols."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from pulse_chassis.bearer import public
from pulse_contracts.sync import ServiceKeys
from pulse_sync.http.use_case_set import Given

router = APIRouter(tags=["sync"])


@router.get(
    "/api/sync/keys",
    dependencies=[Depends(public("public keys; an agent needs them before it has an account"))],
    summary="The keys of sync",
)
async def read_keys(given: Given) -> ServiceKeys:
    """Return the public keys whose signature counts, and the one to seal to."""
    return given.keys
