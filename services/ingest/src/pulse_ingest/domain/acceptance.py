"""Verdicts on what arrives: refused for ever, or not now; and what may be believed of a reading's time.

`Refusal` is for what will not become right by sending it again. `DeferredError` means that nothing is wrong with the
message: a dependency is away, and the same is tried again. Anything else that goes wrong crashes the task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulse_contracts.rejections import RejectionCode
from pulse_contracts.streams import LATE_SECONDS

MICROSECONDS: Final = 1_000_000
OLDEST_CREDIBLE_US: Final = 1_420_070_400 * MICROSECONDS
"""2015-01-01 UTC: older than any device of this product (delivery.md, ingest, 9)."""
FUTURE_TOLERANCE_US: Final = 86_400 * MICROSECONDS
LATE_US: Final = int(LATE_SECONDS * MICROSECONDS)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message or a row was refused. `detail` is for people and never repeats a value that was sent."""

    code: RejectionCode
    detail: str


class DeferredError(Exception):
    """Not now: a dependency is away. Nothing was decided about the messages."""


class PoisonError(Exception):
    """The database refused the data of a batch itself, so sending the same again cannot help."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def is_credible(recorded_us: int, received_us: int) -> bool:
    """Tell whether a reading's time can be right: stored either way, marked suspect if not."""
    return OLDEST_CREDIBLE_US <= recorded_us <= received_us + FUTURE_TOLERANCE_US


def is_late(recorded_us: int, received_us: int) -> bool:
    """Tell whether a reading belongs to history only, and no longer on a live screen."""
    return received_us - recorded_us > LATE_US
