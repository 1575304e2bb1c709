"""What the routes are given: the use cases of the app, as the composition root made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from pulse_contracts.sync import ServiceKeys
from pulse_sync.use_cases.force_sync import ForceSync
from pulse_sync.use_cases.settle_conflict import SettleConflict
from pulse_sync.use_cases.view_ports import SyncViews


@dataclass(frozen=True, slots=True)
class UseCases:
    """One of each."""

    keys: ServiceKeys
    views: SyncViews
    force: ForceSync
    settle: SettleConflict


def use_cases_of(request: Request) -> UseCases:
    """Return the use cases of the app that a request came to."""
    return cast("UseCases", request.app.state.use_cases)


Given = Annotated[UseCases, Depends(use_cases_of)]
