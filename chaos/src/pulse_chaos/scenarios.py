"""The catalogue: which faults a scenario makes, drawn from a seed. The same name and seed give the same schedule for ever.

Scenarios whose name begins with `without-` take one mechanism away and must fail: they test the verdict.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pulse_chaos.invariants import Invariant
from pulse_chaos.schedule import Schedule, Step, in_order

LOAD_SECONDS: Final = 16.0
_FIRST, _LAST = 3.0, 12.0
SERVICES: Final = ("ingest", "gateway", "sync", "commands", "alerts", "identity")
SERVERS: Final = ("mosquitto", "postgres", "valkey")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named way to break things. `environment` is what the stack is started with, `expects` what must then fail."""

    name: str
    summary: str
    draw: Callable[[random.Random], Schedule]
    environment: tuple[tuple[str, str], ...] = ()
    expects: frozenset[Invariant] = frozenset()

    def schedule(self, seed: int) -> Schedule:
        """Return what happens with this seed."""
        return in_order(self.draw(random.Random(f"{self.name}/{seed}")))  # noqa: S311 - a schedule, not a secret


def _moment(chance: random.Random) -> float:
    return round(chance.uniform(_FIRST, _LAST), 2)


def _times(fault: str, target: str, count: int, shortest: float = 0.0, longest: float = 0.0) -> Callable[..., Schedule]:
    """Draw `count` steps of one fault, apart from one another, each lasting between the two."""

    def draw(chance: random.Random) -> Schedule:
        room = (_LAST - _FIRST) / count
        steps = []
        for number in range(count):
            lasts = round(chance.uniform(shortest, min(longest, room)), 2) if longest else 0.0
            at = _FIRST + number * room + chance.uniform(0.0, max(0.0, room - lasts))
            steps.append(Step(round(at, 2), fault, target, lasts))
        return tuple(steps)

    return draw


def _once(fault: str, target: str = "") -> Callable[[random.Random], Schedule]:
    return lambda chance: (Step(_moment(chance), fault, target),)


def _beside(fault: str) -> Callable[[random.Random], Schedule]:
    """A party that misbehaves during most of the load."""
    return lambda chance: (Step(round(chance.uniform(1.0, 3.0), 2), fault, "", 9.0),)


_Drawn = Callable[[random.Random], Step]


def _struck(fault: str, target: str = "") -> _Drawn:
    return lambda chance: Step(_moment(chance), fault, target)


def _lasting(fault: str, target: str = "") -> _Drawn:
    return lambda chance: Step(_moment(chance), fault, target, round(chance.uniform(1.0, 4.0), 2))


_MIXABLE: Final[tuple[_Drawn, ...]] = (
    *(_struck("kill", part) for part in (*SERVICES, *SERVERS, "crowd", "workstation")),
    *(_lasting("freeze", part) for part in (*SERVICES, *SERVERS, "crowd")),
    *(_lasting(kind) for kind in ("cut", "cut-up", "cut-down", "refuse", "read-only", "locked")),
    *(_lasting(kind) for kind in ("poison", "flood", "deaf", "forge")),
    *(_struck(kind) for kind in ("cut-frame", "reset", "restart-all")),
)


def _mixed(chance: random.Random) -> Schedule:
    return tuple(draw(chance) for draw in chance.sample(_MIXABLE, chance.randint(3, 6)))


def _partitions_lost(chance: random.Random) -> Schedule:
    return (Step(_moment(chance), "partitions-lost", "", round(chance.uniform(1.0, 4.0), 2)),)


def _flapping(chance: random.Random) -> Schedule:
    at, steps = _FIRST, []
    while at < _LAST:
        lasts = round(chance.uniform(0.2, 0.9), 2)
        steps.append(Step(round(at, 2), chance.choice(("cut", "refuse", "reset")), "", lasts))
        at += lasts + chance.uniform(0.2, 0.9)
    return tuple(steps)


def _matrix() -> list[Scenario]:
    parts = (*SERVICES, *SERVERS, "crowd", "workstation")
    made = [Scenario(f"kill-{p}", f"kill -9 of {p}, twice", _times("kill", p, 2)) for p in parts]
    made += [
        Scenario(f"freeze-{p}", f"SIGSTOP of {p} for 3 to 8 s, then SIGCONT", _times("freeze", p, 1, 3, 8))
        for p in parts
    ]
    return made


def _links() -> list[Scenario]:
    return [
        Scenario("network-cut", "nothing passes between clients and broker", _times("cut", "", 2, 1.5, 4.5)),
        Scenario("network-cut-up", "nothing passes from clients to broker", _times("cut-up", "", 2, 1.5, 4.5)),
        Scenario("network-cut-down", "nothing passes from broker to clients", _times("cut-down", "", 2, 1.5, 4.5)),
        Scenario("network-reset", "connections are reset and refused", _times("refuse", "", 2, 1, 4)),
        Scenario("network-flapping", "cut, refused and reset every second", _flapping),
        Scenario("network-cut-frame", "reset in the middle of a frame", _times("cut-frame", "", 5)),
        Scenario("network-slow", "all of the machine's links at 2 Mbit/s", _times("slow", "", 1, 4, 8)),
        Scenario("drop-broker", "packets to and from the broker are dropped", _times("drop", "mosquitto", 1, 3, 8)),
        Scenario("drop-from-broker", "packets from the broker are dropped", _times("drop-from", "mosquitto", 1, 3, 8)),
        Scenario("drop-valkey", "packets to and from Valkey are dropped", _times("drop", "valkey", 1, 3, 8)),
        Scenario("reject-gateway", "the gateway's port answers with resets", _times("reject", "gateway", 1, 3, 8)),
    ]


def _storage() -> list[Scenario]:
    return [
        Scenario("broker-wiped", "the broker loses its sessions and queues", _once("wipe-broker")),
        Scenario("database-read-only", "no transaction may write", _times("read-only", "", 1, 3, 8)),
        Scenario("database-locked", "ledger and samples are locked", _times("locked", "", 1, 3, 8)),
        Scenario("database-full", "the database's disk is full", _times("database-full", "", 1, 3, 6)),
        Scenario("partitions-lost", "every day's partition is gone; its rows sit in the default one", _partitions_lost),
        Scenario(
            "no-partition", "no reading has a partition, not even the default one", _times("no-partition", "", 1, 3, 6)
        ),
        Scenario("broker-full", "the broker's disk is full while it saves", _times("broker-full", "", 1, 3, 6)),
        Scenario(
            "broker-full-killed",
            "the same, and it is killed before there is room again",
            _times("full-broker-killed", "", 1, 2, 5),
        ),
        Scenario("broker-torn", "the broker is killed while it writes its accounts", _once("torn-accounts")),
        Scenario("migration", "migrations while readings flow", _once("migrate")),
        Scenario("odd-times", "readings of times that have no partition", _beside("odd-times")),
        Scenario("agent-disk-full", "the agents' disk is full", _times("agent-disk-full", "", 1, 3, 8)),
        Scenario("outbox-rolled-back", "the agents' disk is set back", _once("roll-back")),
        Scenario("outbox-cloned", "a copy of the agents runs beside them", _times("clone", "", 1, 4, 6)),
        Scenario("outbox-truncated", "the agents' databases lose their ends", _once("truncate")),
    ]


def _people() -> list[Scenario]:
    return [
        Scenario("clock-forward", "the agents' clock leaps two hours ahead", _once("clock", "+7200")),
        Scenario("clock-back", "the agents' clock leaps two hours back", _once("clock", "-7200")),
        Scenario("poison", "a device publishes what no decoder may take", _beside("poison")),
        Scenario("forgery", "a device forges acks, commands and pages", _beside("forge")),
        Scenario("revoked", "an agent's account is disabled, later enabled", _times("revoke", "", 1, 4, 8)),
        Scenario("rolling-restart", "every service is restarted in turn", _once("restart-all")),
        Scenario("deaf-client", "a socket subscribes to all and never reads", _beside("deaf")),
        Scenario("flood", "one device publishes as fast as it can", _beside("flood")),
        Scenario("hoard", "one device delivers 187,000 readings of five minutes", _beside("hoard")),
        Scenario("offline-edits", "edits on both sides of a cut link", _times("cut-workstation", "", 1, 6, 9)),
        Scenario("mixed", "three to six faults of all kinds, at once too", _mixed),
    ]


def _clocks() -> list[Scenario]:
    hours, years = (3_600, 7_200, 172_800), (34_560_000, 315_360_000)

    def steps(part: str, sizes: tuple[int, ...]) -> Callable[[random.Random], Schedule]:
        def draw(chance: random.Random) -> Schedule:
            signs = chance.sample((1, -1), 2)
            return tuple(
                Step(at, "server-clock", f"{part} {sign * chance.choice(sizes):+d}", 4.0)
                for at, sign in zip((2.0, 9.0), signs, strict=True)
            )

        return draw

    made = [Scenario(f"clock-{p}", f"the clock of {p} leaps, both ways", steps(p, hours)) for p in SERVICES]
    return [
        *made,
        Scenario("clock-services", "the clocks of all services leap, not the database's", steps("all", hours)),
        Scenario("clock-years", "ingest believes to be years away, and its retention too", steps("ingest", years)),
        Scenario(
            "clock-late-commands",
            "ingest, which devices ask for the time, is behind, and a workstation comes back after commands expired",
            lambda chance: (
                Step(1.0, "server-clock", f"ingest {-chance.choice(hours):+d}", 48.0),
                Step(7.0, "cut-workstation", "", 28.0),
            ),
        ),
    ]


def _without() -> list[Scenario]:
    kills = _times("kill", "ingest", 4)

    def unsafe(name: str) -> tuple[tuple[str, str], ...]:
        return (("PULSE_INGEST_UNSAFE_DISABLE", name),)

    def taken(fault: str, *expects: Invariant, summary: str) -> Scenario:
        return Scenario(f"without-{fault.removeprefix('no-')}", summary, _once(fault), expects=frozenset(expects))

    return [
        Scenario(
            "without-dedupe",
            "ingest's dedupe is off, and acks do not arrive, so that all is sent again",
            lambda chance: (Step(1.5, "cut-down", "", 14.0), *kills(chance)),
            unsafe("dedupe"),
            frozenset({Invariant.NO_DUPLICATE}),
        ),
        Scenario(
            "without-ack-after-commit",
            "ingest acks before it commits",
            lambda chance: (Step(4.0, "locked", "", 4.0), *kills(chance)),
            unsafe("ack_after_commit"),
            frozenset({Invariant.ACK_AFTER_COMMIT}),
        ),
        taken(
            "no-authorisation",
            Invariant.KEPT_UNTIL_ACKED,
            Invariant.COMPLETE,
            summary="the broker lets anybody publish anything: a forged ack empties an outbox",
        ),
        taken("no-sequence", Invariant.IN_ORDER, summary="two stored readings have changed places"),
        taken("no-drain", Invariant.DRAINED, summary="the link is not mended, so nothing drains"),
        taken(
            "no-kept-accounts",
            Invariant.DRAINED,
            summary="there is no copy of the broker's accounts when it is killed while it writes them",
        ),
        taken("no-change-log", Invariant.CONVERGED, summary="a row is written past the change log"),
        Scenario(
            "without-conflict-log",
            "the losers are taken out of the log",
            lambda chance: (Step(2.0, "cut-workstation", "", 11.0), Step(3.0, "no-conflict-log")),
            expects=frozenset({Invariant.LOSERS_LOGGED}),
        ),
        taken(
            "no-intent-log", Invariant.AT_MOST_ONCE, summary="the agent forgets what it has done, and hears it again"
        ),
        taken("no-end", Invariant.COMMANDS_ENDED, summary="a command's end is taken out of the database"),
        taken("no-audit-guard", Invariant.AUDIT_VERIFIES, summary="a row of the audit log is edited"),
        taken("no-redaction", Invariant.NO_SECRET, summary="a log has a secret"),
        taken("no-supervisor", Invariant.RECOVERED, summary="a service is not started again"),
    ]


SCENARIOS: Final = {s.name: s for s in (*_matrix(), *_links(), *_storage(), *_people(), *_clocks(), *_without())}
MATRIX: Final = tuple(name for name in SCENARIOS if not name.startswith("without-"))
SABOTAGE: Final = tuple(name for name in SCENARIOS if name.startswith("without-"))
