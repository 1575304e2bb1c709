"""What `POST /api/telemetry` answers. What it takes are the forms of `pulse_contracts.telemetry`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class ReadingResult(BaseModel):
    """What became of one reading."""

    model_config = ConfigDict(frozen=True)

    index: Annotated[int, Field(ge=0, description="its place in the request")]
    status: Literal["stored", "rejected"]
    code: str | None = None
    detail: str | None = None


class IntakeAnswer(BaseModel):
    """All readings of a request; those that are `stored` are committed."""

    model_config = ConfigDict(frozen=True)

    stored: Annotated[int, Field(ge=0)]
    rejected: Annotated[int, Field(ge=0)]
    results: list[ReadingResult]
