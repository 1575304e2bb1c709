"""Make a report, for one person: nothing in it that they could not see elsewhere."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ForbiddenError, InvalidError, NotFoundError
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.aggregates import Aggregate, Fill, Kind
from pulse_gateway.domain.health import LATENCY_ROWS, DeviceFacts, OfflineTime, availability
from pulse_gateway.domain.interval import Interval, microseconds, moment
from pulse_gateway.domain.report import (
    MAX_DEVICES,
    MAX_RANGE,
    MAX_ROWS,
    NEEDED,
    Cell,
    Column,
    Figure,
    Report,
    ReportKind,
    ReportQuestion,
)
from pulse_gateway.domain.scope import Scope
from pulse_gateway.domain.selection import Selection, resolve
from pulse_gateway.domain.series_query import MAX_DEVICES as MAX_SERIES_DEVICES
from pulse_gateway.domain.series_query import SeriesQuestion
from pulse_gateway.domain.thinning import Thinning
from pulse_gateway.use_cases.history_ports import SeriesReader
from pulse_gateway.use_cases.live_state import LiveState
from pulse_gateway.use_cases.read_series import read_series
from pulse_gateway.use_cases.report_ports import ReportData

_INTERVALS: Final = {"hour": "1h", "day": "1d", "week": "1w", "month": "1mo"}
_AUDIT: Final = (
    Column("at", "Time", "time"), Column("actor", "Who"), Column("action", "What"), Column("resource", "To what"),
    Column("outcome", "Outcome"), Column("reason", "Reason"), Column("count", "Times", "number"),
    Column("address", "From"), Column("service", "Service"), Column("change", "Change"), Column("seq", "No.", "number"),
)  # fmt: skip
_CONFIG: Final = (
    Column("at", "Time", "time"), Column("scope", "For"), Column("target", "Target"), Column("key", "Key"),
    Column("before", "Before"), Column("after", "After"), Column("version", "Version", "number"),
    Column("updated_by", "By"), Column("source", "From"),
)  # fmt: skip
_OFFLINE: Final = (
    Column("device_id", "Device"), Column("name", "Name"), Column("started_at", "Offline from", "time"),
    Column("ended_at", "until", "time"), Column("duration_seconds", "Duration", "seconds"), Column("reason", "Reason"),
)  # fmt: skip
_HEALTH: Final = (
    Column("device_id", "Device"), Column("name", "Name"), Column("status", "Status"),
    Column("availability_percent", "Availability", "percent"), Column("offline_times", "Times offline", "number"),
    Column("offline_seconds", "Offline", "seconds"), Column("completeness_percent", "Completeness", "percent"),
    Column("missing", "Missing", "number"), Column("lost", "Lost", "number"), Column("buffered", "Buffered", "number"),
    Column("latency_p50_ms", "Latency p50", "milliseconds"), Column("latency_p95_ms", "Latency p95", "milliseconds"),
    Column("clock_offset_ms", "Clock offset", "milliseconds"), Column("battery", "Battery", "number"),
    Column("battery_change_per_day", "Battery a day", "number"), Column("last_seen", "Last seen", "time"),
    Column("observed_from", "Judged from", "time"), Column("agent_version", "Agent"),
)  # fmt: skip
_METRICS: Final = (
    Column("device_id", "Device"), Column("metric", "Metric"), Column("from", "From", "time"),
    Column("minimum", "Minimum", "number"), Column("average", "Average", "number"),
    Column("maximum", "Maximum", "number"), Column("count", "Readings", "number"),
)  # fmt: skip
_HEALTH_NOTES: Final = (
    "Availability counts from a device's first reading on.",
    "Completeness, missing and lost are of all readings that a device ever numbered.",
    f"Latency is from recording to storing, of the newest {LATENCY_ROWS} readings of each metric, buffered ones included.",
    "A battery's change a day is the slope over the hours of the range.",
)


@dataclass(eq=False)
class MakeReport:
    """Makes each kind of report."""

    data: ReportData
    series: SeriesReader
    state: LiveState
    clock: Clock

    async def __call__(self, question: ReportQuestion, scope: Scope) -> Report:
        """Return the report.

        Raises ForbiddenError, NotFoundError when devices are named and none of them is theirs, InvalidError for what would
        be too much, UnavailableError.
        """
        check_may_report(question.kind, scope)
        if question.end <= question.start:
            message = "the report ends before it begins"
            raise InvalidError(message, code="bad_range", field="query.to")
        if question.end - question.start > MAX_RANGE:
            message = f"a report covers {MAX_RANGE.days} days at most: ask for a shorter range"
            raise InvalidError(message, code="range_too_long", field="query.from")
        makers = {
            ReportKind.AUDIT: self._audit,
            ReportKind.CONFIG_CHANGES: self._config_changes,
            ReportKind.OFFLINE_EVENTS: self._offline_events,
            ReportKind.DEVICE_HEALTH: self._device_health,
            ReportKind.METRICS: self._metrics,
        }
        return await makers[question.kind](question, scope)

    async def _audit(self, question: ReportQuestion, scope: Scope) -> Report:
        named = self._devices(question, scope) if _names_devices(question) else None
        lines = await self.data.audit(question.start, question.end, named, MAX_ROWS + 1)
        _check_rows(len(lines))
        rows: list[Sequence[Cell]] = []
        for line in lines:
            event = line.event
            resource = (
                event.resource.type if event.resource.id is None else f"{event.resource.type} {event.resource.id}"
            )
            actor = event.actor.name or event.actor.id or event.actor.kind
            rows.append(
                (
                    event.at, actor, event.action, resource, event.outcome.value, event.reason, event.count, event.address,
                    event.service, _change(event.before, event.after), line.seq,
                )
            )  # fmt: skip
        outcomes = Counter[str]()
        for line in lines:
            outcomes[line.event.outcome.value] += line.event.count
        figures = [
            Figure("Entries", len(rows)),
            *(Figure(name.capitalize(), n) for name, n in sorted(outcomes.items())),
        ]
        return self._report(question, _AUDIT, rows, figures)

    async def _config_changes(self, question: ReportQuestion, scope: Scope) -> Report:
        wanted = None if scope.sees_all and not _names_devices(question) else self._devices(question, scope)
        changes = await self.data.config_changes(question.start, question.end, wanted, MAX_ROWS + 1)
        _check_rows(len(changes))
        rows: list[Sequence[Cell]] = [
            (
                change.at, change.scope, change.target, change.key, _json(change.before), _json(change.after),
                change.version, change.updated_by, change.source,
            )
            for change in changes
        ]  # fmt: skip
        figures = [Figure("Changes", len(rows)), Figure("Keys", len({change.key for change in changes}))]
        return self._report(question, _CONFIG, rows, figures)

    async def _offline_events(self, question: ReportQuestion, scope: Scope) -> Report:
        devices = self._devices(question, scope)
        times = await self.data.offline_times(question.start, question.end, devices, MAX_ROWS + 1)
        _check_rows(len(times))
        names = await self.data.device_names({time.device_id for time in times})
        until = min(question.end, self.clock.now())
        rows: list[Sequence[Cell]] = [
            (
                time.device_id, names.get(time.device_id), time.started_at, time.ended_at,
                round(((time.ended_at or until) - time.started_at).total_seconds(), 3), time.reason,
            )
            for time in times
        ]  # fmt: skip
        within = sum((time.within(question.start, until) for time in times), timedelta(0))
        figures = [
            Figure("Events", len(rows)),
            Figure("Devices", len({time.device_id for time in times})),
            Figure("Offline within the range", round(within.total_seconds()), "seconds"),
            Figure("Still offline", sum(time.ended_at is None for time in times)),
        ]
        return self._report(question, _OFFLINE, rows, figures)

    async def _device_health(self, question: ReportQuestion, scope: Scope) -> Report:
        devices = self._devices(question, scope)
        until = min(question.end, self.clock.now())
        facts = await self.data.device_facts(question.start, until, devices)
        times = await self.data.offline_times(question.start, until, devices, MAX_ROWS + 1)
        _check_rows(len(times))
        away: dict[str, list[OfflineTime]] = defaultdict(list)
        for time in times:
            away[time.device_id].append(time)
        rows = [_health_row(device, away[device.device_id], question, until) for device in facts]
        shares = [row[3] for row in rows if isinstance(row[3], float)]
        complete = [row[6] for row in rows if isinstance(row[6], float)]
        figures = [
            Figure("Devices", len(rows)),
            Figure("Online now", sum(device.status == "ONLINE" for device in facts)),
            Figure("Availability, mean", sum(shares) / len(shares) if shares else None, "percent"),
            Figure("Completeness, lowest", min(complete, default=None), "percent"),
        ]
        return self._report(question, _HEALTH, rows, figures, _HEALTH_NOTES)

    async def _metrics(self, question: ReportQuestion, scope: Scope) -> Report:
        devices = self._devices(question, scope)
        if len(devices) > MAX_SERIES_DEVICES:
            raise _too_many_devices(len(devices), MAX_SERIES_DEVICES)
        asked = SeriesQuestion(
            device_ids=tuple(sorted(devices)),
            metrics=question.filter.metrics,
            start_us=microseconds(question.start),
            end_us=microseconds(question.end),
            zone=ZoneInfo(question.zone),
            interval=Interval.parse(_INTERVALS[question.filter.period]),
            aggregates=(Aggregate.MIN, Aggregate.AVG, Aggregate.MAX, Aggregate.COUNT),
            fill=Fill.NONE,
            max_points=None,
            thinning=Thinning.LTTB,
        )
        answers, _ = await read_series(asked, scope, self.state, self.series)
        told = [answer for answer in answers.answers if answer.series.kind is not Kind.TEXT]
        _check_rows(sum(len(answer.rows) for answer in told))
        rows: list[Sequence[Cell]] = [
            (answer.series.device_id, answer.series.metric, moment(int(at or 0) * 1000), low, mean, high, count)
            for answer in told
            for at, low, mean, high, count in answer.rows
        ]
        figures = [
            Figure("Devices", len({answer.series.device_id for answer in told if answer.rows})),
            Figure("Series", sum(bool(answer.rows) for answer in told)),
            Figure("Readings", sum(int(row[6] or 0) for row in rows if isinstance(row[6], int | float))),
        ]
        return self._report(question, _METRICS, rows, figures)

    def _devices(self, question: ReportQuestion, scope: Scope) -> frozenset[str]:
        """Return the registered devices that are meant and may be seen."""
        wanted = Selection(device_ids=question.filter.device_ids, groups=question.filter.groups)
        visible = resolve(scope, wanted, self.state.book.groups)
        found = frozenset(self.state.book.keys(visible))
        if not found and question.filter.device_ids is not None:
            message = "there is no such device"
            raise NotFoundError(message, code="unknown_device", field="query.device_id")
        if len(found) > MAX_DEVICES:
            raise _too_many_devices(len(found), MAX_DEVICES)
        return found

    def _report(
        self, question: ReportQuestion, columns: Sequence[Column], rows: Sequence[Sequence[Cell]],
        figures: Sequence[Figure], notes: Sequence[str] = (),
    ) -> Report:  # fmt: skip
        return Report(question, self.clock.now(), columns, rows, figures, notes)


def check_may_report(kind: ReportKind, scope: Scope) -> None:
    """Raise ForbiddenError unless somebody may have this kind of report now."""
    for permission in (Permission.REPORTS_READ, NEEDED[kind]):
        if not scope.allows(permission):
            message = f"the permission {permission} is needed"
            raise ForbiddenError(message)


def _health_row(
    device: DeviceFacts, away: Sequence[OfflineTime], question: ReportQuestion, until: datetime
) -> Sequence[Cell]:
    there = availability(device, away, question.start, until)
    battery = device.battery
    return (
        device.device_id, device.name, device.status, there.percent, there.times, round(there.offline.total_seconds(), 3),
        device.completeness_percent, device.missing, device.lost, device.buffered, device.latency_p50_ms,
        device.latency_p95_ms, device.clock_offset_ms, None if battery is None else battery.last,
        None if battery is None else battery.change_per_day, device.last_seen, there.observed_from, device.agent_version,
    )  # fmt: skip


def _names_devices(question: ReportQuestion) -> bool:
    return question.filter.device_ids is not None or question.filter.groups is not None


def _change(before: Any, after: Any) -> str | None:
    if before is None:
        return _json(after)
    return f"{_json(before)} → {_json(after) or '(nothing)'}"


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _check_rows(rows: int) -> None:
    if rows > MAX_ROWS:
        message = f"the report would have more than {MAX_ROWS:,} rows: ask for a shorter range, or for fewer devices"
        raise InvalidError(message, code="report_too_large", field="query.from")


def _too_many_devices(count: int, most: int) -> InvalidError:
    message = f"these are {count} devices, more than {most}: name some, or a group"
    return InvalidError(message, code="too_many_devices", field="query.device_id")
