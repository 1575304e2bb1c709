"""What the routes are given: the use cases of the app, as the composition root made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from pulse_contracts.sync import ServiceKeys


@dataclass(frozen=True, slots=True)
class UseCases:
    """One of each."""

    keys: ServiceKeys


def use_cases_of(request: Request) -> UseCases:
    """Return the use cases of the app that a request came to."""
    return cast("UseCases", request.app.state.use_cases)


Given = Annotated[UseCases, Depends(use_cases_of)]
