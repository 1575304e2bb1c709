"""The evaluation of one worker's devices: hot state in memory, committed device by device.

Guaranteed: what a rule found, and how far its device got, commit together, so that nothing is found twice and nothing
is lost. The position in the stream is only where to begin reading again: a reading that comes again changes nothing.
After an error the object is thrown away, and another begins from what is committed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pulse_alerts.domain.alarm import found, unix_ms
from pulse_alerts.domain.evaluator import DeviceEvaluator
from pulse_alerts.domain.partitions import partition_of
from pulse_alerts.domain.patience import Patience
from pulse_alerts.domain.timers import Timers
from pulse_alerts.use_cases.ports import (
    Announcement,
    Count,
    EvaluationStore,
    History,
    LateReadings,
    Mark,
    Progress,
    Share,
    SharesMovedError,
    TelemetryNews,
)
from pulse_alerts.use_cases.roster import Roster
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger

ENTRIES_AT_ONCE: Final = 500
BLOCK_MS: Final = 500
DEVICES_AT_ONCE: Final = 1_000
"""States in one commit: some 2 MB, and a moment of the database."""
FOUND_AT_ONCE: Final = 500
OVERLAP_MS: Final = 120_000
"""How long before the committed position a reading may have been received that was announced behind it."""
GRACE_MS: Final = 3_000
"""How long a reading may take from reception to the stream before its device counts as silent."""
LOOK_SECONDS: Final = 1.0
REGISTRY_SECONDS: Final = 30.0
DEVICES_BETWEEN: Final = 50
"""Devices that are prepared before others get their turn: some 10 ms."""
OFFLINE_AGAIN_MS: Final = 30_000
_log = get_logger("evaluation")


@dataclass(frozen=True, slots=True)
class Tools:
    """What evaluation works with."""

    store: EvaluationStore
    news: TelemetryNews
    history: History
    clock: Clock
    count: Count


class Evaluation:
    """One life, from what is committed to the next error."""

    def __init__(self, worker: str, tools: Tools, patience: Patience, *, was_away: bool) -> None:
        self._worker = worker
        self._tools = tools
        self._patience = patience
        self._was_away = was_away
        self._shares: list[Share] = []
        self._roster = Roster(tools.store)
        self._revision = -1
        self._evaluators: dict[str, DeviceEvaluator | None] = {}
        self._progress = Progress()
        self._dirty: set[str] = set()
        self._urgent: set[str] = set()
        self._timers = Timers()
        self._epoch = ""
        self._cursor = ""
        self._received_ms = 0
        self._calm_from = tools.clock.monotonic() + patience.settle_seconds
        self._flushed_at = self._looked_at = self._registered_at = tools.clock.monotonic()

    @property
    def partitions(self) -> list[int]:
        """Which partitions are this worker's."""
        return sorted(self._roster.mine)

    @property
    def revision(self) -> int:
        """Which count of changes of rules is in force."""
        return self._revision

    async def open(self) -> None:
        """Take a share of the devices, and go on where it was left. Raises UnavailableError."""
        tools = self._tools
        # The end is read before the database is: what is committed later is announced behind it.
        self._epoch, end = await tools.news.epoch(), await tools.news.end()
        self._shares = await tools.store.claim(self._worker, self._patience.lease_seconds)
        self._roster.mine = frozenset(share.partition for share in self._shares)
        self._revision = await self._roster.read_rules()
        await self._read_registry()
        states = await tools.store.states(self.partitions)
        for number, device_id in enumerate({*self._roster.devices, *states}):
            kept = states.get(device_id)
            evaluator = self._prepare(device_id, kept)
            if kept is not None and kept["standings"]:
                self._leave(self._roster.as_it_was(device_id, kept), evaluator)
            if number % DEVICES_BETWEEN == 0:
                await asyncio.sleep(0)
        await self._take_up(end)
        _log.info(
            "evaluation_began",
            partitions=len(self._roster.mine),
            devices=len(self._evaluators),
            rules=len(self._roster.rules),
        )

    async def advance(self, block_ms: int | None = BLOCK_MS) -> int:
        """Evaluate what came, and the time that passed; return how many entries came.

        Raises UnavailableError, LostLeaseError and SharesMovedError.
        """
        now_ms = unix_ms(self._tools.clock.now())
        before = self._cursor
        entries = await self._tools.news.read(before, ENTRIES_AT_ONCE, block_ms)
        if await self._tools.news.epoch() != self._epoch:
            # Another stream by the same name: what stood in the old one, and these entries, are in the database.
            await self._start_over()
            return len(entries)
        is_behind = len(entries) >= ENTRIES_AT_ONCE
        # Trimming takes the oldest first: while the entry that we read after is there, none behind it is missing.
        if is_behind and not await self._tools.news.is_there(before):
            await self._fill_hole(before)
        for entry in entries:
            await self._take(entry)
            await asyncio.sleep(0)  # A full read is half a second of work: requests do not wait for it.
        if not is_behind:
            await self._look_for_silence(now_ms)
        await self._write_down()
        await self._look_around()
        return len(entries)

    async def flush(self) -> None:
        """Commit all state, and the position. Raises UnavailableError, LostLeaseError."""
        await self._commit_dirty()
        await self._commit([], Mark(self._epoch, self._cursor, self._received_ms))

    async def _take_up(self, end: str) -> None:
        """Find where to go on in the stream; what is not in it any more comes from the database."""
        news = self._tools.news
        marks = {share.mark for share in self._shares}
        known = [mark for mark in marks if mark is not None]
        self._received_ms = min((mark.received_ms for mark in known), default=unix_ms(self._tools.clock.now()))
        there = [mark for mark in known if mark.epoch == self._epoch and await news.is_there(mark.position)]
        self._cursor = min((mark.position for mark in there), key=_place, default=end)
        if known:
            # Also when all entries are there: what was stored while the stream was away, nobody may have announced.
            await self._fill(self._received_ms, has_lost_entries=self._was_away or len(there) < len(known))

    async def _start_over(self) -> None:
        news = self._tools.news
        self._epoch, self._cursor = await news.epoch(), await news.end()
        _log.warning("stream_replaced", epoch=self._epoch)
        await self._fill(self._received_ms, has_lost_entries=True)

    async def _fill_hole(self, before: str) -> None:
        _log.warning("stream_outran_evaluation", position=before)
        await self._fill(self._received_ms, has_lost_entries=True)

    async def _fill(self, received_ms: int, *, has_lost_entries: bool) -> None:
        """Evaluate what is in the database since, a device at a time."""
        tools = self._tools
        began = tools.clock.monotonic()
        tools.count("holes_filled")
        filled = 0
        for device_id, evaluator in list(self._evaluators.items()):
            if evaluator is None:
                continue
            late = None
            since = received_ms - OVERLAP_MS
            if has_lost_entries and (series := self._watched(evaluator)):
                lookback = self._patience.late_lookback // timedelta(milliseconds=1)
                late = await tools.history.late(series, (received_ms - lookback, None), since)
            filled += await self._catch_up(evaluator, (since, None), late)
            if late is not None:
                self._stretch(device_id, evaluator, late.from_ms, late.to_ms)
            if len(self._dirty) >= DEVICES_AT_ONCE or len(self._progress.found) >= FOUND_AT_ONCE or self._is_time:
                # Without the position: until all is filled, it is still the old one.
                await self._commit_dirty()
        tools.count("readings_filled", filled)
        _log.info("hole_filled", readings=filled, seconds=round(tools.clock.monotonic() - began, 3))

    async def _catch_up(
        self, evaluator: DeviceEvaluator, stretch: tuple[int, int | None], late: LateReadings | None
    ) -> int:
        """Evaluate what was not late, and hear what was, in the order in which they were received."""
        series = self._watched(evaluator)
        heard = deque(late.received_ms if late is not None and evaluator.minds_silence else ())
        filled = 0
        if series:
            async for samples in self._tools.history.live(series, *stretch):
                for sample in samples:
                    while heard and heard[0] <= sample.received_ms:
                        evaluator.hear_late(heard.popleft())
                    evaluator.observe(sample.at_ms, sample.received_ms, {sample.metric: sample.value})
                filled += len(samples)
        for received_ms in heard:
            evaluator.hear_late(received_ms)
        self._touched(evaluator)
        return filled

    def _watched(self, evaluator: DeviceEvaluator) -> dict[str, int]:
        series = self._roster.series.get(evaluator.device_id, {})
        return {
            metric: number for metric, number in series.items() if evaluator.hears_all or evaluator.is_watched(metric)
        }

    async def _take(self, entry: Announcement) -> None:
        for device_id, from_ms, to_ms in entry.late:
            await self._take_late(device_id, from_ms, to_ms)
        evaluators, at, dirty = self._evaluators, entry.at_ms, self._dirty
        for device_id, recorded, quality, metrics in entry.rows:
            try:
                evaluator = evaluators[device_id]
            except KeyError:
                evaluator = self._prepare(device_id, None)
            if evaluator is None or quality != "good":
                continue
            evaluator.observe(recorded, at, metrics)
            dirty.add(device_id)
            if evaluator.is_noteworthy:
                self._touched(evaluator)
        self._tools.count("readings_evaluated", len(entry.rows))
        self._cursor = entry.position
        self._received_ms = max(self._received_ms, at)

    async def _take_late(self, device_id: str, from_ms: int, to_ms: int) -> None:
        evaluator = self._evaluators.get(device_id) or self._prepare(device_id, None)
        if evaluator is None:
            return
        late = None
        if evaluator.minds_silence:
            late = await self._tools.history.late(self._watched(evaluator), (from_ms, to_ms), 0)
        # What ingest could not announce while the stream was away comes as a stretch, too, and was not late.
        metrics = [metric for metric in self._roster.series.get(device_id, {}) if evaluator.is_watched(metric)]
        if late is not None or any(evaluator.head_of(metric) < to_ms for metric in metrics):
            await self._catch_up(evaluator, (from_ms, to_ms), late)
        self._stretch(device_id, evaluator, from_ms, to_ms)

    def _stretch(self, device_id: str, evaluator: DeviceEvaluator, from_ms: int, to_ms: int) -> None:
        held = self._progress.late.get(device_id, (0, from_ms, to_ms))
        self._progress.late[device_id] = (evaluator.partition, min(held[1], from_ms), max(held[2], to_ms))
        self._dirty.add(device_id)
        if evaluator.is_noteworthy:
            self._touched(evaluator)

    def _touched(self, evaluator: DeviceEvaluator) -> None:
        """Note what an evaluator found, and wait for the silence that may have begun."""
        self._write_up(evaluator)
        self._wait_for(evaluator)

    def _write_up(self, evaluator: DeviceEvaluator) -> None:
        device_id = evaluator.device_id
        evaluator.is_noteworthy = False
        self._dirty.add(device_id)
        if evaluator.behind is not None:
            behind, evaluator.behind = evaluator.behind, None
            self._stretch(device_id, evaluator, *behind)
        if evaluator.findings:
            self._progress.found.extend(found(finding, self._roster.names) for finding in evaluator.findings)
            evaluator.findings.clear()
            self._urgent.add(device_id)

    async def _look_for_silence(self, now_ms: int) -> None:
        """Raise for what has been silent for too long: only when all that came is evaluated, and nothing was away."""
        due_ms = now_ms - GRACE_MS
        if self._tools.clock.monotonic() < self._calm_from:
            return
        due = self._timers.due(due_ms)
        waiting = [one for one in due if (e := self._evaluators.get(one)) is not None and e.may_wait]
        offline = await self._tools.store.offline(waiting) if waiting else set()
        for device_id in due:
            evaluator = self._evaluators.get(device_id)
            if evaluator is None:
                continue
            evaluator.pass_time(due_ms, is_offline=device_id in offline)
            self._write_up(evaluator)
            # Who is offline, and is waited for, is due still: it is looked at again, but not at once.
            self._wait_for(evaluator, now_ms + OFFLINE_AGAIN_MS if evaluator.next_due() <= due_ms else None)

    def _wait_for(self, evaluator: DeviceEvaluator, at_ms: int | None = None) -> None:
        self._timers.wait(evaluator.device_id, at_ms or evaluator.next_due())

    async def _write_down(self) -> None:
        """Commit what was found at once, with the state of its devices; the rest when it is time."""
        if self._is_time:
            await self.flush()
        elif self._urgent:
            await self._commit([], None)

    @property
    def _is_time(self) -> bool:
        """Whether state was not committed for a while, or the lease has to be renewed."""
        passed = self._tools.clock.monotonic() - self._flushed_at
        return passed >= min(self._patience.flush_seconds, self._patience.lease_seconds / 3)

    async def _commit_dirty(self) -> None:
        while len(self._dirty) > DEVICES_AT_ONCE:
            await self._commit([self._dirty.pop() for _ in range(DEVICES_AT_ONCE)], None)
        await self._commit(list(self._dirty), None)

    async def _commit(self, device_ids: Sequence[str], mark: Mark | None) -> None:
        """Commit what was found, the state of its devices and of these."""
        progress, self._progress = self._progress, Progress()
        progress.mark = mark
        chosen = {*device_ids, *self._urgent}
        self._dirty -= chosen
        self._urgent.clear()
        for device_id in chosen:
            evaluator = self._evaluators.get(device_id)
            if evaluator is not None:
                progress.states.append((device_id, evaluator.partition, evaluator.dump()))
        tools = self._tools
        self._flushed_at = tools.clock.monotonic() if mark is not None else self._flushed_at
        await tools.store.commit(self._worker, self._shares, self._patience.lease_seconds, tools.clock.now(), progress)
        for one in progress.found:
            tools.count("alarms_raised" if one.finding.is_raised else "alarms_cleared")

    async def _look_around(self) -> None:
        """Notice changed rules, devices and workers."""
        now = self._tools.clock.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        fair, free = await self._tools.store.fair_share(self._worker, self._patience.lease_seconds)
        if len(self._roster.mine) > fair or (len(self._roster.mine) < fair and free > 0):
            await self.flush()
            raise SharesMovedError
        if await self._tools.store.revision() != self._revision:
            await self.flush()
            revision = await self._roster.read_rules()
            await self._read_registry()
            await self._rebuild({*self._roster.devices, *self._evaluators})
            self._revision = revision
        elif now - self._registered_at >= REGISTRY_SECONDS:
            before = self._roster.devices
            await self._read_registry()
            ids = {*before, *self._roster.devices}
            await self._rebuild({one for one in ids if before.get(one) != self._roster.devices.get(one)})

    async def _rebuild(self, device_ids: Collection[str]) -> None:
        """Put the rules of now on these devices, as they are now; what stands where no rule is any more is cleared."""
        for number, device_id in enumerate(device_ids):
            former = self._evaluators.get(device_id)
            evaluator = self._prepare(device_id, None if former is None else former.dump())
            if former is not None:
                self._leave(former, evaluator)
            if number % DEVICES_BETWEEN == 0:
                await asyncio.sleep(0)
        if device_ids:
            await self.flush()

    def _leave(self, former: DeviceEvaluator, now: DeviceEvaluator | None) -> None:
        """Clear what stood of rules that are not on the device any more."""
        gone = former.rule_ids - (frozenset() if now is None else now.rule_ids)
        former.leave(gone, unix_ms(self._tools.clock.now()), "out_of_scope")
        self._progress.found.extend(found(finding, self._roster.names) for finding in former.findings)
        (self._urgent if former.findings else self._dirty).add(former.device_id)
        if now is None:
            self._progress.gone.append(former.device_id)

    async def _read_registry(self) -> None:
        await self._roster.read_registry()
        self._registered_at = self._tools.clock.monotonic()

    def _prepare(self, device_id: str, kept: Mapping[str, Any] | None) -> DeviceEvaluator | None:
        """Put the rules on a device; None when there are none for it, or it is somebody else's."""
        evaluator = None
        device = self._roster.devices.get(device_id)
        if device is not None:
            rules = self._roster.rules_for(device)
            if rules:
                evaluator = DeviceEvaluator(device_id, partition_of(device_id), rules)
                evaluator.expect(list(self._roster.series.get(device_id, ())))
                if kept is not None:
                    evaluator.load(kept)
                self._wait_for(evaluator)
        self._evaluators[device_id] = evaluator
        return evaluator


def _place(position: str) -> tuple[int, int]:
    milliseconds, _, number = position.partition("-")
    return int(milliseconds), int(number or 0)
