"""What must hold after a run, whatever was broken in it. Pure: from evidence to findings.

Nothing here asks the stack anything; `evidence.py` does, and what it could not find out is a broken invariant too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MOST_MEMORY_MIB: Final = 450.0
"""Of one process: what all bounded queues of the largest service hold when they are full, and its code."""


class Invariant(StrEnum):
    """The promises, by the names that reports use."""

    COMPLETE = "complete"
    NO_DUPLICATE = "no-duplicate"
    NOTHING_FOREIGN = "nothing-foreign"
    ACK_AFTER_COMMIT = "ack-after-commit"
    KEPT_UNTIL_ACKED = "kept-until-acked"
    IN_ORDER = "in-order"
    DRAINED = "drained"
    CONVERGED = "converged"
    LOSERS_LOGGED = "losers-logged"
    AT_MOST_ONCE = "commands-at-most-once"
    COMMANDS_ENDED = "commands-ended"
    AUDIT_VERIFIES = "audit-verifies"
    NO_SECRET = "no-secret"  # noqa: S105 - a name
    BOUNDED_MEMORY = "bounded-memory"
    RECOVERED = "recovered"


SENTENCES: Final[Mapping[Invariant, str]] = {
    Invariant.COMPLETE: "what was accepted is persisted, rejected or declared lost",
    Invariant.NO_DUPLICATE: "nothing is stored twice",
    Invariant.NOTHING_FOREIGN: "nothing is stored that was not generated, and nothing changed on its way",
    Invariant.ACK_AFTER_COMMIT: "an acknowledged reading is committed",
    Invariant.KEPT_UNTIL_ACKED: "an outbox deletes only what was committed",
    Invariant.IN_ORDER: "by sequence, readings are in the order in which they were taken",
    Invariant.DRAINED: "the backlog drains by itself before the deadline",
    Invariant.CONVERGED: "the workstation's rows equal the server's",
    Invariant.LOSERS_LOGGED: "every edit that lost is logged once",
    Invariant.AT_MOST_ONCE: "a command is done at most once, and never after its expiry",
    Invariant.COMMANDS_ENDED: "every command has ended",
    Invariant.AUDIT_VERIFIES: "the audit log is as it was written",
    Invariant.NO_SECRET: "no secret is in a log",
    Invariant.BOUNDED_MEMORY: f"no process of the stack takes more than {MOST_MEMORY_MIB:g} MiB",
    Invariant.RECOVERED: "every part is ready again, and readings reach a socket",
}


@dataclass(frozen=True, slots=True)
class CommandFate:
    """What became of one command: its state on the server, how often its device noted doing it."""

    jti: str
    state: str
    done: int
    late: float = 0.0
    """By how many seconds it was done after it had expired."""


@dataclass(slots=True)
class Evidence:
    """What was found out about one run, after it was healed and quiet or the deadline had passed."""

    accepted: int = 0
    persisted: int = 0
    declared_lost: int = 0
    rejected: int = 0
    lost_in_broker: int = 0
    """Values of devices without an outbox that the broker had confirmed when its memory was taken from it."""
    missing: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    holes: list[str] = field(default_factory=list)
    """Clients whose ledger says that something is missing below its highest sequence."""
    uncommitted_acks: list[str] = field(default_factory=list)
    acks_seen: int = 0
    is_outbox_empty: bool = True
    missing_of_agents: int = 0
    disorder: list[str] = field(default_factory=list)
    drain_seconds: float | None = 0.0
    drain_deadline: float = 0.0
    outstanding: int = 0
    differing_rows: list[str] = field(default_factory=list)
    unanswered_edits: int = 0
    lost_edits: Sequence[str] = ()
    """Operations that the server answered with `conflict_lost`."""
    logged_losers: Sequence[str] = ()
    """Operations in the conflict log, one entry for each row."""
    conflicts: int = 0
    """Of this run: operations that lost or that won against an edit of somebody else."""
    wants_conflict: bool = False
    """Two edits were made that exclude one another."""
    commands: Sequence[CommandFate] = ()
    audit_fault: str | None = None
    leaks: list[str] = field(default_factory=list)
    secrets_known: int = 0
    most_memory_mib: Mapping[str, float] = field(default_factory=dict)
    not_ready: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    """What could not be found out, as sentences: it counts as not recovered."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant's verdict, with figures when it holds and examples when it does not."""

    invariant: Invariant
    holds: bool
    detail: str


_OPEN: Final = frozenset({"queued", "published", "received", "started"})
_LATE_SECONDS: Final = 5.0
"""Between a device's last look at the time and its note on the disk, on a busy machine."""
_MAY_BE_DONE: Final = frozenset({"succeeded", "failed", "unknown"})


def _some(offences: Sequence[str]) -> str:
    shown = ", ".join(offences[:5])
    return f"{len(offences)}: {shown}" + (" …" if len(offences) > 5 else "")


def _nothing(offences: Sequence[str], else_: str) -> tuple[bool, str]:
    return (not offences, _some(offences) if offences else else_)


def _complete(e: Evidence) -> tuple[bool, str]:
    figures = (
        f"{e.accepted} values accepted, {e.persisted} persisted, {e.declared_lost} declared lost, {e.rejected} rejected"
    )
    if e.lost_in_broker:
        figures += f", {e.lost_in_broker} of plain devices gone with the broker's memory"
    if e.accepted == 0:
        return False, "nothing was accepted: the run shows nothing"
    if e.holes:
        return False, f"holes in the ledger: {_some(e.holes)}"
    return _nothing(e.missing, figures)


def _acks(e: Evidence) -> tuple[bool, str]:
    if e.acks_seen == 0:
        return False, "no ack was seen: the run shows nothing"
    return _nothing(e.uncommitted_acks, f"{e.acks_seen} acks compared with the table")


def _kept(e: Evidence) -> tuple[bool, str]:
    if e.missing_of_agents and e.is_outbox_empty:
        return False, f"{e.missing_of_agents} values are neither in an outbox nor in the table"
    return True, "outboxes are empty" if e.is_outbox_empty else "what is missing is still in an outbox"


def _drained(e: Evidence) -> tuple[bool, str]:
    if e.drain_seconds is None or e.drain_seconds > e.drain_deadline:
        return False, f"{e.outstanding} readings were outstanding after {e.drain_deadline:g} s"
    return True, f"in {e.drain_seconds:.1f} s of {e.drain_deadline:g} s"


def _converged(e: Evidence) -> tuple[bool, str]:
    if e.unanswered_edits:
        return False, f"{e.unanswered_edits} edits were never answered"
    return _nothing(e.differing_rows, "all rows are equal, no edit waits")


def _losers(e: Evidence) -> tuple[bool, str]:
    if e.wants_conflict and not e.conflicts:
        return False, "two edits exclude one another and none lost: the run shows nothing"
    logged = Counter(e.logged_losers)
    wrong = [f"{op} unlogged" for op in e.lost_edits if not logged[op]]
    wrong += [f"{op} logged {times} times" for op, times in logged.items() if times > 1]
    return _nothing(wrong, f"{len(e.lost_edits)} edits lost, {len(logged)} conflicts logged, {e.conflicts} in this run")


def _once(e: Evidence) -> tuple[bool, str]:
    wrong = [f"{c.jti} done {c.done} times" for c in e.commands if c.done > 1]
    wrong += [f"{c.jti} was done and is {c.state}" for c in e.commands if c.done and c.state not in _MAY_BE_DONE]
    wrong += [f"{c.jti} was done {c.late:.0f} s after its expiry" for c in e.commands if c.late > _LATE_SECONDS]
    wrong += [f"{c.jti} succeeded and was not done" for c in e.commands if c.state == "succeeded" and not c.done]
    return _nothing(wrong, f"{sum(c.done for c in e.commands)} of {len(e.commands)} commands done")


def _ended(e: Evidence) -> tuple[bool, str]:
    states = Counter(c.state for c in e.commands)
    figures = ", ".join(f"{n} {state}" for state, n in sorted(states.items())) or "no commands"
    return _nothing([f"{c.jti} is {c.state}" for c in e.commands if c.state in _OPEN], figures)


def _audit(e: Evidence) -> tuple[bool, str]:
    return e.audit_fault is None, e.audit_fault or "verified"


def _secrets(e: Evidence) -> tuple[bool, str]:
    if e.secrets_known == 0:
        return False, "no secret was known: the run shows nothing"
    return _nothing(e.leaks, f"{e.secrets_known} secrets looked for")


def _memory(e: Evidence) -> tuple[bool, str]:
    large = [f"{name} {mib:.0f} MiB" for name, mib in e.most_memory_mib.items() if mib > MOST_MEMORY_MIB]
    most = max(e.most_memory_mib.items(), key=lambda item: item[1], default=("nothing", 0.0))
    return _nothing(large, f"at most {most[1]:.0f} MiB ({most[0]})")


_RULES: Final[Mapping[Invariant, Callable[[Evidence], tuple[bool, str]]]] = {
    Invariant.COMPLETE: _complete,
    Invariant.NO_DUPLICATE: lambda e: _nothing(e.duplicates, f"{e.persisted} values stored"),
    Invariant.NOTHING_FOREIGN: lambda e: _nothing(e.foreign, "every stored value was generated"),
    Invariant.ACK_AFTER_COMMIT: _acks,
    Invariant.KEPT_UNTIL_ACKED: _kept,
    Invariant.IN_ORDER: lambda e: _nothing(e.disorder, "in order"),
    Invariant.DRAINED: _drained,
    Invariant.CONVERGED: _converged,
    Invariant.LOSERS_LOGGED: _losers,
    Invariant.AT_MOST_ONCE: _once,
    Invariant.COMMANDS_ENDED: _ended,
    Invariant.AUDIT_VERIFIES: _audit,
    Invariant.NO_SECRET: _secrets,
    Invariant.BOUNDED_MEMORY: _memory,
    Invariant.RECOVERED: lambda e: _nothing([*e.not_ready, *e.unanswered], "all parts ready, readings on the socket"),
}


def judge(evidence: Evidence) -> list[Finding]:
    """Return every invariant's verdict."""
    return [Finding(invariant, *rule(evidence)) for invariant, rule in _RULES.items()]


def broken(findings: Sequence[Finding]) -> frozenset[Invariant]:
    """Return the invariants that do not hold."""
    return frozenset(finding.invariant for finding in findings if not finding.holds)
