"""A site in memory: the real use cases of sync, real replicas, and a network that loses, doubles and reorders."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from pulse_agent.replica.identity import DesktopIdentity
from pulse_agent.replica.operations import EditRefusedError
from pulse_agent.replica.replica import Replica
from pulse_chassis.clock import ManualClock
from pulse_chassis.sealing import SealKey
from pulse_chassis.signatures import SigningKey
from pulse_contracts.ids import ClientId
from pulse_contracts.stamps import make_stamp
from pulse_contracts.sync import ENTITY_ORDER, AppliedConfig, Poke, ServiceKeys
from pulse_contracts.topics import sync_update
from pulse_sync.domain.rows import LogRow, RowKey
from pulse_sync.messaging.sealed_messages import SealedMessages
from pulse_sync.storage.in_memory_book import InMemoryBook
from pulse_sync.storage.in_memory_log import InMemoryLog, OwnedData
from pulse_sync.use_cases.absorb_changes import AbsorbChanges, Hints
from pulse_sync.use_cases.answer_desktop import AnswerDesktop, Desks, Strangers
from pulse_sync.use_cases.ports import Desktop
from pulse_sync.use_cases.serve_pull import ServePull
from pulse_sync.use_cases.take_push import Owners, TakePush
from pulse_sync.use_cases.take_report import TakeReport

from .model_identity import ModelIdentity

NAMES = UUID("00000000-0000-4000-8000-000000000002")
DESKTOPS = tuple(ClientId(f"D-{number}") for number in range(4))
WORKSTATIONS = DESKTOPS[:2]
USERS = tuple(str(uuid5(NAMES, f"user {number}")) for number in range(4))
ROLES = tuple(str(uuid5(NAMES, f"role {number}")) for number in range(2))
PERMISSIONS = ("devices:read", "commands:send")
ACTOR = uuid5(NAMES, "actor")
SEAL_KEYS = {device_id: SealKey.generate() for device_id in DESKTOPS}
SIGNING_KEYS = {device_id: SigningKey.generate(device_id) for device_id in DESKTOPS}
SYNC_KEY, SYNC_SEAL_KEY = SigningKey.generate("sync"), SealKey.generate()
Dump = dict[str, dict[str, tuple[int, Any]]]


class _NoNews:
    def note_log(self) -> None:
        """Nobody watches."""

    def note_desktop(self, device_id: str) -> None:
        """Nobody watches."""


class _NoConfigEdits:
    """Configuration is edited on the web only in this model."""

    async def apply(self, desktop: Desktop, operation: Any) -> Any:
        raise AssertionError("nobody edits configuration on a desktop here")

    async def restore(self, actor: UUID, row_id: str, fields: Mapping[str, Any]) -> None:
        raise AssertionError("nobody edits configuration on a desktop here")

    async def note(self, desktop_id: str, applied: Sequence[AppliedConfig], at: Any) -> None:
        """Nobody asks."""


@dataclass
class Machine:
    """One desktop: its file, its clock, and what is on the wire to and from it."""

    device_id: ClientId
    path: Path
    replica_class: type[Replica]
    clock: ManualClock = field(default_factory=ManualClock)
    is_connected: bool = False
    up: list[bytes] = field(default_factory=list)
    down: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.replica = self._open()

    def _open(self) -> Replica:
        identity = DesktopIdentity(
            self.device_id,
            SIGNING_KEYS[self.device_id],
            SEAL_KEYS[self.device_id],
            b"k" * 32,
            SealKey.generate().public_key,
            ServiceKeys(keys=[SYNC_KEY.public_jwk()], seal_key=SYNC_SEAL_KEY.public_key),
        )
        return self.replica_class(self.path, identity, self.clock)

    def connect(self) -> None:
        if not self.is_connected:
            self.is_connected = True
            self.replica.connected()
            self.speak()

    def disconnect(self) -> None:
        """Cut the link; what was on its way is lost."""
        if self.is_connected:
            self.is_connected = False
            self.up, self.down = [], []
            self.replica.disconnected()

    def crash(self) -> None:
        """Die without a word, and come back on the same file."""
        before = self.dump()
        self.is_connected, self.up, self.down = False, [], []
        self.replica.close()
        self.replica = self._open()
        assert self.dump() == before, "a crash changed what this desktop holds"

    def speak(self) -> None:
        if self.is_connected:
            self.up += self.replica.outgoing()

    def dump(self) -> Dump:
        return {
            entity: {row_id: (row.version, row.fields) for row_id, row in self.replica.base_rows(entity).items()}
            for entity in ENTITY_ORDER
        }


class Site:
    """Everything."""

    def __init__(self, replica_class: type[Replica] = Replica) -> None:
        # In memory where there is such a place: a replica waits for the disk, and a model crashes no disks.
        memory = Path("/dev/shm")
        self.directory = Path(tempfile.mkdtemp(prefix="convergence-", dir=memory if memory.is_dir() else None))
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.owned = OwnedData()
        self.config: dict[str, LogRow] = {}
        self.log = InMemoryLog(self.owned)
        self.book = InMemoryBook()
        self.identity = ModelIdentity(self.owned, self.clock)
        self.sealed = SealedMessages(SYNC_KEY, self.clock)
        self.was_in_scope: dict[str, set[RowKey]] = {device_id: set() for device_id in DESKTOPS}
        self.crashes_before_answer = 0
        self.absorb = AbsorbChanges(self.log, self, _NoNews(), self.clock, timedelta(days=180))
        pull = ServePull(self.log, self.identity, self.book, SYNC_KEY.sign, self.clock, timedelta(days=7))
        owners = Owners(self.identity, _NoConfigEdits())
        push = TakePush(self.log, self.absorb, owners, self.book, _NoNews(), self.clock)
        report = TakeReport(self.book, _NoConfigEdits(), _NoNews(), self.clock)
        self.answer = AnswerDesktop(
            self.log, self.absorb, Desks(pull, push, report), SYNC_SEAL_KEY.open, Strangers(self.clock)
        )
        self.machines: list[Machine] = []
        for device_id in DESKTOPS:
            jwk, seal_key = SIGNING_KEYS[device_id].public_jwk(), SEAL_KEYS[device_id].public_key
            made = Desktop(device_id, jwk, seal_key, device_id in WORKSTATIONS, is_active=True)
            self.owned.desktops[device_id] = (made, frozenset())
            self.machines.append(Machine(device_id, self.directory / f"{device_id}.db", replica_class))

    def close(self) -> None:
        for machine in self.machines:
            machine.replica.close()
        self.runner.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- the server side -------------------------------------------------------------------------------------------

    def touch(self, entities: Any, cursor: int) -> None:
        """Poke whoever is connected, as the broker does."""
        for machine in self.machines:
            if machine.is_connected:
                machine.down += [
                    (sync_update(entity), Poke(cursor=cursor).model_dump_json().encode()) for entity in sorted(entities)
                ]

    def begin(self) -> None:
        """Let there be permissions, roles, users, and who may use which desktop."""
        for name in PERMISSIONS:
            self.owned.rows["permissions", name] = LogRow(
                "permissions", name, 1, make_stamp(0), None, "web", {"description": name}
            )
        for number, role_id in enumerate(ROLES):
            self.identity.edit(
                ("roles", role_id),
                {"name": f"r{number}", "description": "", "is_built_in": False, "permissions_added": [*PERMISSIONS]},
            )
        for number, user_id in enumerate(USERS):
            self.identity.edit(
                ("users", user_id),
                {"username": f"u{number}", "email": None, "is_active": True, "roles_added": [ROLES[number % 2]]},
            )
            self.owned.access |= {(user_id, DESKTOPS[number % 4]), (user_id, DESKTOPS[(number + 1) % 4])}
        self.compare()

    def put_config(self, row_id: str, value: int) -> None:
        held = self.config.get(row_id)
        row = LogRow(
            "config", row_id, 1 if held is None else held.version + 1, make_stamp(1), None, "web", {"value": value}
        )
        self.config[row_id] = row

        async def write() -> int:
            async with self.log.writing() as writer:
                await writer.append([row], self.clock.now())
                await writer.rescope(None, self.clock.now())
                return await writer.head()

        self.note_scopes()
        self.touch({"config"}, self.runner.run(write()))

    def compare(self) -> None:
        self.note_scopes()
        self.identity.events.clear()
        self.runner.run(self.absorb.compare())

    def absorb_events(self) -> None:
        """Sync hears of what changed; scopes are looked at with it."""
        self.note_scopes()
        keys, self.identity.events = frozenset(self.identity.events), []
        self.runner.run(self.absorb(Hints(rows=keys, desktops=frozenset(DESKTOPS))))

    def scope_of(self, device_id: str) -> set[RowKey]:
        """Return what this desktop may have, told from the owners' data alone."""
        rows = self.owned.rows
        users = {user for user, device in self.owned.access if device == device_id and ("users", user) in rows}
        held = {role for user in users for role in rows["users", user].fields["roles"]}
        roles = {key[1] for key in rows if key[0] == "roles" and (device_id in WORKSTATIONS or key[1] in held)}
        config = {row_id for row_id in self.config if row_id.startswith(("all/", f"device/{device_id}/"))}
        return {
            *(key for key in rows if key[0] == "permissions"),
            *(("users", user) for user in users),
            *(("roles", role) for role in roles),
            *(("config", row_id) for row_id in config),
        }

    def note_scopes(self) -> None:
        for device_id in DESKTOPS:
            self.was_in_scope[device_id] |= self.scope_of(device_id)

    # -- the wire --------------------------------------------------------------------------------------------------

    def carry_up(self, machine: Machine, index: int = 0, *, is_doubled: bool = False) -> None:
        """Have one message of a desktop answered."""
        payload = machine.up[index] if is_doubled else machine.up.pop(index)
        self.note_scopes()  # Sync looks at them when it answers with a row that is new to it.
        said = self.runner.run(self.answer(machine.device_id, payload))
        if said is None:
            return
        if self.crashes_before_answer:
            self.crashes_before_answer -= 1  # Committed, and nobody was told.
            return
        desktop, body = said
        machine.down.append(self.sealed.seal(machine.device_id, desktop.seal_key, body))

    def carry_down(self, machine: Machine, index: int = 0, *, is_doubled: bool = False) -> None:
        """Deliver one message to a desktop, and look at what it holds then."""
        topic, payload = machine.down[index] if is_doubled else machine.down.pop(index)
        before, cursor = machine.dump(), machine.replica.cursor
        answered = {operation.op_id for operation in machine.replica.pending()}
        machine.replica.receive(topic, payload)
        after = machine.dump()
        is_settled = answered != {operation.op_id for operation in machine.replica.pending()}
        if machine.replica.is_pulling and not is_settled:
            assert machine.replica.cursor == cursor
            assert after == before, "rows showed before the last page of their pull"
        held = {(entity, row_id) for entity, rows in after.items() for row_id in rows}
        foreign = held - self.was_in_scope[machine.device_id]
        assert not foreign, f"{machine.device_id} holds what was never in its scope: {foreign}"
        machine.speak()

    def edit_on(self, machine: Machine, key: RowKey, mask: Mapping[str, Any]) -> None:
        try:
            machine.replica.record(ACTOR, *key, mask)
        except EditRefusedError:
            return
        machine.speak()

    # -- the end ---------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Heal everything and let it come to rest."""
        self.crashes_before_answer = 0
        self.identity.is_away = False
        for _ in range(60):
            for machine in self.machines:
                machine.connect()
                self.exchange(machine)
            self.compare()
            self.clock.advance(40.0)
            for machine in self.machines:
                machine.clock.advance(40.0)
                machine.speak()
            if self._is_at_rest():
                return
        raise AssertionError(f"no rest: {[(m.device_id, m.replica.cursor, len(m.up)) for m in self.machines]}")

    def exchange(self, machine: Machine) -> None:
        """Carry everything until nobody says anything more."""
        for _ in range(400):
            if machine.up:
                self.carry_up(machine)
            elif machine.down:
                self.carry_down(machine)
            else:
                return
        raise AssertionError(f"{machine.device_id} does not stop asking")

    def _is_at_rest(self) -> bool:
        return all(
            not machine.replica.pending() and self.dump_of_scope(machine.device_id) == machine.dump()
            for machine in self.machines
        )

    def dump_of_scope(self, device_id: str) -> Dump:
        """Return what this desktop shall hold, told from the owners' data alone."""
        dump: Dump = {entity: {} for entity in ENTITY_ORDER}
        for entity, row_id in self.scope_of(device_id):
            row = self.config[row_id] if entity == "config" else self.owned.rows[entity, row_id]
            dump[entity][row_id] = (row.version, json.loads(json.dumps(dict(row.fields))))
        return dump

    def check(self) -> None:
        """What must hold at the end."""
        for machine in self.machines:
            assert machine.dump() == self.dump_of_scope(machine.device_id)
            kept = [one.op_id for one in machine.replica.conflicts() if one.conflict_id is not None]
            mine = {str(op_id) for op_id, device_id in self.identity.losers.items() if device_id == machine.device_id}
            assert sorted(kept) == sorted(mine), "a desktop was not told of every conflict exactly once"
        kept_here = {op_id for _, op_id in self.book.conflicts}
        assert kept_here == set(self.identity.losers), "a conflict is missing in sync, or one too many"
        operations = [line.op_id for line in self.book.lines if line.op_id is not None]
        assert len(operations) == len(set(operations)), "an operation was logged twice"
        assert set(self.identity.answers) <= set(operations), "an operation was applied and not logged"
