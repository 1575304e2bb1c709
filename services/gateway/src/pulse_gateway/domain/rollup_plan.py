"""From where a question is answered: hours, minutes or raw rows, whichever is the coarsest that is exact.

A plan is a list of segments, consecutive and without overlap, that together are the range that was asked for. Hours and
minutes are only taken where they are whole within the range and known to be right; a bucket that is not (readings
still come in, or came late) is read one step finer. Where retention removed the finer rows, the coarser ones are all
there is, and are taken even where their bucket is just being worked on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from pulse_gateway.domain.interval import HOUR_US, MINUTE_US


class Resolution(StrEnum):
    """Where readings can be read from, finest first."""

    RAW = "raw"
    MINUTE = "minute"
    HOUR = "hour"


UNIT_US: Final = {Resolution.MINUTE: MINUTE_US, Resolution.HOUR: HOUR_US}
_FINER: Final = {Resolution.HOUR: Resolution.MINUTE, Resolution.MINUTE: Resolution.RAW}


class Segment(NamedTuple):
    """A piece of time, its end excluded, and what it is read from."""

    resolution: Resolution
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class RollupState:
    """What is known of the roll-ups of one series: buckets that are not right at this moment, and what retention left.

    `kept_from` says from when on rows of a resolution are there; a resolution that is not in it is complete. With
    `is_usable` false nothing of them is right.
    """

    dirty: dict[Resolution, Collection[int]] = field(default_factory=dict)
    kept_from: dict[Resolution, int] = field(default_factory=dict)
    is_usable: bool = True


def plan(start_us: int, end_us: int, coarsest: Resolution, state: RollupState) -> list[Segment]:
    """Return the segments for a range; `coarsest` is the coarsest resolution that the question's slots allow."""
    segments: list[Segment] = []
    for segment in _plan(Segment(coarsest if state.is_usable else Resolution.RAW, start_us, end_us), state):
        last = segments[-1] if segments else None
        if last is not None and last.resolution is segment.resolution and last.end_us == segment.start_us:
            segments[-1] = last._replace(end_us=segment.end_us)
        else:
            segments.append(segment)
    return segments


def plan_kept(start_us: int, end_us: int, resolution: Resolution, state: RollupState) -> list[Segment]:
    """Return the segments for a range whose buckets may be coarser than `resolution` where nothing finer was kept."""
    edges = sorted({start_us, end_us, *(min(max(at, start_us), end_us) for at in state.kept_from.values())})
    return [
        segment for low, high in pairwise(edges) for segment in plan(low, high, _kept(low, resolution, state), state)
    ]


def _kept(at_us: int, resolution: Resolution, state: RollupState) -> Resolution:
    order = list(Resolution)
    return next(
        (found for found in order[order.index(resolution) :] if at_us >= state.kept_from.get(found, at_us)),
        Resolution.HOUR,
    )


def _plan(segment: Segment, state: RollupState) -> Iterable[Segment]:
    resolution, start, end = segment
    if start >= end:
        return
    if resolution is Resolution.RAW:
        yield segment
        return
    unit, finer = UNIT_US[resolution], _FINER[resolution]
    low, high = start + -start % unit, end - end % unit
    if low >= high:
        yield from _plan(Segment(finer, start, end), state)
        return
    yield from _plan(Segment(finer, start, low), state)
    yield from _whole(Segment(resolution, low, high), state)
    yield from _plan(Segment(finer, high, end), state)


def _whole(segment: Segment, state: RollupState) -> Iterable[Segment]:
    """Give a segment of whole buckets, with those taken out that are not right and can be read finer."""
    resolution, start, end = segment
    unit, finer = UNIT_US[resolution], _FINER[resolution]
    finer_from = state.kept_from.get(finer, start)
    at = start
    for bucket in sorted(state.dirty.get(resolution, ())):
        if at <= bucket < end and bucket >= finer_from:
            yield Segment(resolution, at, bucket)
            yield from _plan(Segment(finer, bucket, bucket + unit), state)
            at = bucket + unit
    yield Segment(resolution, at, end)


def coarsest_of(segments: Iterable[Segment]) -> Resolution:
    """Return the coarsest resolution that a plan reads."""
    used = {segment.resolution for segment in segments}
    return next((found for found in (Resolution.HOUR, Resolution.MINUTE) if found in used), Resolution.RAW)
