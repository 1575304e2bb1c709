"""Faults of the servers themselves: a service's clock, the partitions of the readings, a migration, the broker's disk."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import asyncpg

from pulse_chaos import server_clocks
from pulse_chaos.database_steps import as_superuser
from pulse_chaos.scene import Scene
from pulse_chaos.schedule import Step
from pulse_chaos.site import FILLER, SiteError, fill
from pulse_local.servers.kept_accounts import kept_copy
from pulse_simulator.gateway_session import GatewayError

ALL: Final = "all"
SERVICES: Final = ("identity", "ingest", "sync", "commands", "alerts", "gateway")
READY_SECONDS: Final = 60.0
STEPPED_SECONDS: Final = 3.0
"""A clock is wrong for so long at least: the library sees a step within a second, and then something must happen."""
_LEAP_SECONDS: Final = 30 * 86_400.0
"""A clock that is wrong by more than this was wrong at the start, as after a dead battery."""
_EXPANDED: Final = ("telemetry.sample", "telemetry.stream", "commands.command", "identity.users", "sync.membership")
"""Tables that the running code reads and writes while they get a column that it does not know."""


# -- clocks --------------------------------------------------------------------------------------------------------


def _parts(step: Step) -> tuple[tuple[str, ...], float]:
    """Read a target such as `ingest +7200`."""
    part, _, seconds = step.target.partition(" ")
    return (SERVICES if part == ALL else (part,)), float(seconds)


async def step_clock(scene: Scene, step: Step) -> None:
    """Set the clocks of the target's services wrong; one that does not look at a clock of ours is restarted first."""
    services, seconds = _parts(step)
    clocks = scene.site.clocks
    if abs(seconds) > _LEAP_SECONDS:
        await _start_with_wrong_clock(scene, services, seconds)
        return
    for name in services:
        pid = await scene.site.stack.running_pid(name)
        if not server_clocks.looks(pid):
            await asyncio.to_thread(server_clocks.set_clock, clocks, name, 0)
            await restart(scene, name)
    for name in services:
        await asyncio.to_thread(server_clocks.set_clock, clocks, name, seconds)
    # With faults of others at the same time a part may have died meanwhile: it comes back with the wrong clock.
    await asyncio.sleep(server_clocks.REREAD_SECONDS + STEPPED_SECONDS)


async def _start_with_wrong_clock(scene: Scene, services: tuple[str, ...], seconds: float) -> None:
    """What a service does at its start, retention among it, it does by the wrong clock; a rule says what is old."""
    await as_superuser(scene, "insert into telemetry.retention_rule (raw_days) values (2) on conflict do nothing")

    async def no_rule() -> None:
        await as_superuser(scene, "delete from telemetry.retention_rule")

    scene.at_the_end.append(no_rule)
    for name in services:
        await asyncio.to_thread(server_clocks.set_clock, scene.site.clocks, name, seconds)
        await restart(scene, name)
    await asyncio.sleep(STEPPED_SECONDS)


async def mend_clock(scene: Scene, step: Step) -> None:
    """Set the clocks right again."""
    for name in _parts(step)[0]:
        await asyncio.to_thread(server_clocks.set_clock, scene.site.clocks, name, 0)


async def restart(scene: Scene, name: str) -> None:
    """Restart a service in order, and wait until it is ready."""
    before = await scene.site.stack.running_pid(name)
    with suppress(ProcessLookupError):
        os.kill(before, signal.SIGTERM)
    async with asyncio.timeout(READY_SECONDS):
        while (part := scene.site.stack.parts()[name])["state"] != "ready" or part["pid"] == before:
            await asyncio.sleep(0.1)


# -- the database --------------------------------------------------------------------------------------------------

_TO_THE_DEFAULT: Final = """
do $$
declare part text;
begin
    lock table telemetry.sample in access exclusive mode;
    for part in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'telemetry.sample'::regclass and c.relname <> 'sample_default'
    loop
        execute format('alter table telemetry.sample detach partition telemetry.%I', part);
        execute format('insert into telemetry.sample_default select * from telemetry.%I', part);
        execute format('drop table telemetry.%I', part);
    end loop;
end $$
"""
_ASIDE: Final = """
do $$
declare part text;
begin
    lock table telemetry.sample in access exclusive mode;
    for part in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'telemetry.sample'::regclass
    loop
        execute format('alter table telemetry.sample detach partition telemetry.%I', part);
        execute format('alter table telemetry.%I rename to %I', part, 'aside_' || part);
    end loop;
end $$
"""
_BACK: Final = """
do $$
declare part text;
begin
    lock table telemetry.sample in access exclusive mode;
    if not exists (select from pg_inherits where inhparent = 'telemetry.sample'::regclass) then
        alter table telemetry.aside_sample_default rename to sample_default;
        alter table telemetry.sample attach partition telemetry.sample_default default;
    end if;
    for part in select relname from pg_class c where relnamespace = 'telemetry'::regnamespace
        and relkind = 'r' and relname like 'aside\\_%'
    loop
        execute format('insert into telemetry.sample select * from telemetry.%I', part);
        execute format('drop table telemetry.%I', part);
    end loop;
end $$
"""


async def lose_partitions(scene: Scene, _step: Step) -> None:
    """Take every day's partition away; what was in it sits in the default one. Ingest makes them anew at its start."""
    await as_superuser(scene, _TO_THE_DEFAULT)


async def regain_partitions(scene: Scene, _step: Step) -> None:
    """Restart ingest: it makes the partitions that it needs, and moves into them what is theirs."""
    with suppress(ProcessLookupError):
        os.kill(await scene.site.stack.running_pid("ingest"), signal.SIGKILL)


async def hide_partitions(scene: Scene, _step: Step) -> None:
    """Take every partition away, the default one too: no row has a place."""
    scene.probe.is_blind = True
    await as_superuser(scene, _ASIDE)


async def show_partitions(scene: Scene, _step: Step) -> None:
    """Give back the rows and, unless somebody made one meanwhile, a place for new ones."""
    await as_superuser(scene, _BACK)
    scene.probe.is_blind = False


async def migrate(scene: Scene, _step: Step) -> None:
    """Expand the schema under the running code, run every service's migrations, restart it, contract: as an upgrade does."""
    for table in _EXPANDED:
        await _altered(scene, f"alter table {table} add column chaos_expanded bigint")
    await asyncio.gather(*(asyncio.to_thread(_migrate, scene, name) for name in SERVICES))
    await restart(scene, "ingest")
    for table in _EXPANDED:
        await _altered(scene, f"alter table {table} drop column chaos_expanded")


async def _altered(scene: Scene, statement: str) -> None:
    """Change a table as migrations do: whoever cannot have the lock at once lets the others go on, and tries again."""
    async with asyncio.timeout(READY_SECONDS):
        while True:
            with suppress(asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                connection = await asyncpg.connect(scene.site.superuser_url)
                try:
                    await connection.execute(f"set lock_timeout = '500ms'; {statement}")
                    return
                finally:
                    connection.terminate()
            await asyncio.sleep(0.2)


def _migrate(scene: Scene, name: str) -> None:
    pid = scene.site.stack.pid(name)
    inherited = dict(
        entry.partition("=")[::2]
        for entry in os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes()).split("\0")
        if "=" in entry
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", f"pulse_{name}", "migrate"], env=inherited, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SiteError(f"{name} could not migrate: {done.stdout[-800:]}{done.stderr[-800:]}")


# -- the broker's disk ---------------------------------------------------------------------------------------------


async def fill_broker(scene: Scene, _step: Step) -> None:
    """Fill the broker's disk, have it save everything on it, and change an account meanwhile."""
    disk = scene.site.broker_disk
    if disk is None:
        return
    await asyncio.to_thread(fill, disk)
    os.kill(await scene.site.stack.running_pid("mosquitto"), signal.SIGUSR1)  # It saves sessions and queues now.
    for wish in ("disable", "enable"):
        with suppress(GatewayError):
            await scene.site.session.request("POST", f"/api/devices/{scene.intruder.device_id}/{wish}", if_match="*")


async def kill_full_broker(scene: Scene, step: Step) -> None:
    """As `fill_broker`; then the broker is killed, and cannot write what it needs to start."""
    await fill_broker(scene, step)
    os.kill(await scene.site.stack.running_pid("mosquitto"), signal.SIGKILL)
    scene.loses_plain = True


def accounts_file(scene: Scene) -> Path:
    """Return the file with the broker's accounts."""
    return scene.site.stack.data / "mosquitto" / "accounts" / "dynamic-security.json"


async def tear_accounts(scene: Scene, _step: Step) -> None:
    """Kill the broker in the middle of writing its accounts: what it leaves is half of the file."""
    pid = await scene.site.stack.running_pid("mosquitto")
    file = accounts_file(scene)
    # Its devices are in the copy a few seconds after they were made; they were made before the load began.
    async with asyncio.timeout(READY_SECONDS):
        while not await asyncio.to_thread(_is_kept, file, scene.crowd.agent_ids):
            await asyncio.sleep(0.2)
    os.kill(pid, signal.SIGSTOP)
    os.truncate(file, file.stat().st_size // 2)
    os.kill(pid, signal.SIGKILL)
    scene.loses_plain = True


def _is_kept(file: Path, names: list[str]) -> bool:
    with suppress(OSError):
        text = kept_copy(file).read_text(encoding="utf-8")
        return all(f'"{name}"' in text for name in names)
    return False


async def empty_broker(scene: Scene, _step: Step) -> None:
    """Give the disk room again."""
    if scene.site.broker_disk is not None:
        (scene.site.broker_disk / FILLER).unlink(missing_ok=True)
