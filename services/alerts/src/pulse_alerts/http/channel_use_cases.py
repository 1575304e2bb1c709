"""All that the routes of channels call, in one place that `app` fills, and how a route gets at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from pulse_alerts.use_cases.edit_channels import EditChannels
from pulse_alerts.use_cases.find_channels import FindChannels
from pulse_alerts.use_cases.try_channel import TryChannel


@dataclass(frozen=True, slots=True)
class ChannelUseCases:
    """What people do with channels, ready to be called."""

    edit: EditChannels
    find: FindChannels
    try_one: TryChannel


async def channel_use_cases_of(request: Request) -> ChannelUseCases:
    """Return the use cases of the app that a request came to."""
    return cast("ChannelUseCases", request.app.state.channel_use_cases)


GivenChannels = Annotated[ChannelUseCases, Depends(channel_use_cases_of)]
