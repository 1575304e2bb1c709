"""The independent witness: what was generated, written outside of all that it judges, and compared with the table.

An oracle file has one line for each value before it is handed over, and one for each reading after it was durably
accepted (for an agent: its outbox committed it; for a plain device: the broker acknowledged it):

    I client seq recorded_at_us metric value     intent; `seq` is `-` where only acceptance gives it; `value` is JSON
    C client seq recorded_at_us                  accepted, all metrics of that reading at once

What follows: an accepted value that the table lacks is **missing**; a value that was only intended may be there or
not; a row without an intent is **unexpected**; two rows for one value, or one sequence used twice, are
**duplicates**. Blocks are written with one `write` to an unbuffered file in append mode, so a killed process leaves
whole lines. This module writes nothing to the database.

Run it: `python -m pulse_simulator.oracle ORACLE… --database-url postgresql://…` (exit 1 unless everything agrees).
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final, Self

import asyncpg
import typer

from pulse_simulator.waveforms import Value

ValueKey = tuple[str, int, str]
"""Client, recorded_at in microseconds, metric."""
_EXAMPLES: Final = 10
"""How many offending values a verdict names; the counts are complete."""


class OracleLog:
    """Appends to one oracle file; safe for several writers on one machine, each block arrives whole."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what was written survives a kill -9 of this process, and nothing is written twice.
        self._file = path.open("ab", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def intend(self, client: str, recorded_at_us: int, metrics: Mapping[str, Value], seq: int | None = None) -> None:
        """Write down that a reading is about to be handed over."""
        number = "-" if seq is None else str(seq)
        lines = (
            f"I {client} {number} {recorded_at_us} {metric} {json.dumps(value)}\n" for metric, value in metrics.items()
        )
        self._file.write("".join(lines).encode())

    def accepted(self, client: str, recorded_at_us: int, seq: int | None = None) -> None:
        """Write down that the reading of this moment was durably accepted."""
        number = "-" if seq is None else str(seq)
        self._file.write(f"C {client} {number} {recorded_at_us}\n".encode())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(slots=True)
class OracleRecord:
    """What oracle files say."""

    intended: dict[ValueKey, Value] = field(default_factory=dict)
    accepted: dict[tuple[str, int], int | None] = field(default_factory=dict)
    """Client and moment to sequence."""
    unreadable: int = 0
    repeated: int = 0
    """Values intended twice under one key: a fault of the generator, which makes the count of rows ambiguous."""

    def add(self, line: str) -> None:
        """Take one line; one that cannot be read is counted."""
        try:
            match line.rstrip("\n").split(" ", 5):
                case ["I", client, _, moment, metric, value]:
                    key = (client, int(moment), metric)
                    self.repeated += key in self.intended
                    self.intended[key] = json.loads(value)
                case ["C", client, seq, moment]:
                    self.accepted[client, int(moment)] = None if seq == "-" else int(seq)
                case _:
                    self.unreadable += 1
        except ValueError:
            self.unreadable += 1

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Self:
        """Read whole files; a last line without its end (a power cut) was never written and does not count."""
        record = cls()
        for path in paths:
            with path.open(encoding="utf-8") as lines:
                for line in lines:
                    if line.endswith("\n"):
                        record.add(line)
        return record

    def clients(self) -> dict[str, int]:
        """Return each client with the earliest moment it intended, in microseconds."""
        earliest: dict[str, int] = {}
        for client, moment, _ in self.intended:
            earliest[client] = min(moment, earliest.get(client, moment))
        return earliest


@dataclass(frozen=True, slots=True)
class StoredValue:
    """One row of `telemetry_data`."""

    client: str
    recorded_at_us: int
    metric: str
    value: Value | None
    epoch: int = 0
    seq: int = 0


@dataclass(slots=True)
class Verdict:
    """Counts of values (not readings), and the first few of each offence by name."""

    intended: int = 0
    accepted: int = 0
    persisted: int = 0
    missing: int = 0
    declared_lost: int = 0
    duplicates: int = 0
    unexpected: int = 0
    wrong_value: int = 0
    unconfirmed_persisted: int = 0
    """Stored, though their acceptance was never confirmed: allowed, and proof that the ack came late, not the data."""
    unreadable_lines: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Tell whether nothing accepted is missing, doubled, changed, or from nowhere."""
        return not (self.missing or self.duplicates or self.unexpected or self.wrong_value or self.unreadable_lines)

    def offend(self, kind: str, key: ValueKey) -> None:
        """Count one offence and keep it as an example."""
        setattr(self, kind, getattr(self, kind) + 1)
        names = self.examples.setdefault(kind, [])
        if len(names) < _EXAMPLES:
            names.append(f"{key[0]} {key[1]} {key[2]}")


class Comparison:
    """Takes the table row by row, in any order, and gives a verdict."""

    def __init__(self, record: OracleRecord, lost: Mapping[str, Sequence[tuple[int, int]]] | None = None) -> None:
        """`lost`: by client, closed ranges of sequences that it declared lost."""
        self._record = record
        self._lost = lost or {}
        self._seen: set[ValueKey] = set()
        self._numbered: set[tuple[str, int, int, str]] = set()
        self._verdict = Verdict(unreadable_lines=record.unreadable + record.repeated)

    def take(self, row: StoredValue) -> None:
        """Judge one stored value."""
        key = (row.client, row.recorded_at_us, row.metric)
        # A number belongs to its epoch: two copies of one outbox may both go on from the same one.
        number = (row.client, row.epoch, row.seq, row.metric)
        if key not in self._record.intended:
            self._verdict.offend("unexpected", key)
            return
        # A ledgered sequence is used once for ever; a plain device (epoch 0) may start again at 1.
        is_repeated_number = bool(row.epoch) and number in self._numbered
        if key in self._seen or is_repeated_number:
            self._verdict.offend("duplicates", key)
            return
        self._seen.add(key)
        if row.epoch:
            self._numbered.add(number)
        if not _is_same(self._record.intended[key], row.value):
            self._verdict.offend("wrong_value", key)
        elif (row.client, row.recorded_at_us) not in self._record.accepted:
            self._verdict.unconfirmed_persisted += 1

    def finish(self) -> Verdict:
        """Count what was accepted and is not there, and return the verdict."""
        verdict = self._verdict
        verdict.intended = len(self._record.intended)
        verdict.persisted = len(self._seen)
        for key in self._record.intended:
            moment = (key[0], key[1])
            if moment not in self._record.accepted:
                continue
            verdict.accepted += 1
            if key in self._seen:
                continue
            if self._is_declared_lost(key[0], self._record.accepted[moment]):
                verdict.declared_lost += 1
            else:
                verdict.offend("missing", key)
        return verdict

    def _is_declared_lost(self, client: str, seq: int | None) -> bool:
        return seq is not None and any(low <= seq <= high for low, high in self._lost.get(client, ()))


def _is_same(intended: Value, stored: Value | None) -> bool:
    if isinstance(intended, (bool, str)) or isinstance(stored, (bool, str)) or stored is None:
        return type(intended) is type(stored) and intended == stored
    return float(intended) == float(stored)


_ROWS: Final = """
select client_id, (extract(epoch from recorded_at) * 1000000)::bigint as us, metric_key,
       metric_value, metric_bool, metric_text, coalesce(epoch, 0) as epoch, coalesce(sequence_no, 0) as seq
from telemetry.telemetry_data
where client_id = $1 and recorded_at >= to_timestamp($2::double precision)
"""
_VALUE_COLUMNS: Final = ("metric_bool", "metric_text", "metric_value")
_LOST: Final = """
select client_id, lower(part) as low, upper(part) - 1 as high
from telemetry.completeness, unnest(lost_ranges) as part
where client_id = any($1::text[])
"""


async def _stored(connection: asyncpg.Connection, client: str, since_us: int) -> AsyncIterator[StoredValue]:
    async with connection.transaction(readonly=True):
        # A second of tolerance for the index: to_timestamp takes a double, which is not exact in microseconds.
        async for row in connection.cursor(_ROWS, client, since_us / 1e6 - 1.0, prefetch=5000):
            if row["us"] < since_us:
                continue
            value = next((row[name] for name in _VALUE_COLUMNS if row[name] is not None), None)
            yield StoredValue(row["client_id"], row["us"], row["metric_key"], value, row["epoch"], row["seq"])


async def check(paths: Iterable[Path], database_url: str) -> Verdict:
    """Compare oracle files with the table; `database_url` needs read access to the views of schema `telemetry`."""
    return await compare(OracleRecord.read(paths), database_url)


async def compare(record: OracleRecord, database_url: str) -> Verdict:
    """Compare what oracle files said with the table."""
    clients = record.clients()
    connection = await asyncpg.connect(database_url.replace("+asyncpg", "", 1))
    try:
        lost: dict[str, list[tuple[int, int]]] = {}
        for row in await connection.fetch(_LOST, list(clients)):
            lost.setdefault(row["client_id"], []).append((row["low"], row["high"]))
        comparison = Comparison(record, lost)
        for client, earliest in clients.items():
            async for stored in _stored(connection, client, earliest):
                comparison.take(stored)
        return comparison.finish()
    finally:
        await connection.close()


def _main(
    oracles: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Oracle files.")],
    database_url: Annotated[str, typer.Option(envvar="PULSE_DATABASE_URL", help="Where the table is.")],
) -> None:
    """Compare oracle files with the table and print the verdict as JSON; exit 1 unless they agree."""
    verdict = asyncio.run(check(oracles, database_url))
    sys.stdout.write(json.dumps({"agrees": verdict.agrees, **asdict(verdict)}, indent=2) + "\n")
    raise typer.Exit(0 if verdict.agrees else 1)


if __name__ == "__main__":
    typer.run(_main)
