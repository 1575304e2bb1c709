"""What the routes are given: the use cases of the app, as the composition root made them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from pulse_contracts.frames import LivePosition
from pulse_contracts.sync import ServiceKeys
from pulse_sync.use_cases.edit_config import EditConfig
from pulse_sync.use_cases.edit_config_keys import EditConfigKeys
from pulse_sync.use_cases.force_sync import ForceSync
from pulse_sync.use_cases.read_config import ReadConfig
from pulse_sync.use_cases.settle_conflict import SettleConflict
from pulse_sync.use_cases.view_ports import SyncViews


@dataclass(frozen=True, slots=True)
class UseCases:
    """One of each."""

    keys: ServiceKeys
    views: SyncViews
    force: ForceSync
    settle: SettleConflict
    read_config: ReadConfig
    edit_config: EditConfig
    edit_config_keys: EditConfigKeys
    config_position: Callable[[], Awaitable[LivePosition | None]]
    """Where a socket that follows `config` can go on from; None while that cannot be known."""


async def use_cases_of(request: Request) -> UseCases:
    """Return the use cases of the app that a request came to."""
    return cast("UseCases", request.app.state.use_cases)


Given = Annotated[UseCases, Depends(use_cases_of)]
