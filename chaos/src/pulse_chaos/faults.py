"""Every fault of the matrix: how it strikes and how it is healed. What a site cannot do is said by `missing`.

Healing is told once for each fault that struck, also when the run was cut short, and leaves nothing of it behind.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import asyncpg

from pulse_chaos import namespace, server_faults
from pulse_chaos.crowd import Crowd
from pulse_chaos.database_errors import DATABASE_ERRORS
from pulse_chaos.database_steps import as_superuser
from pulse_chaos.intruders import never_read
from pulse_chaos.scene import Scene
from pulse_chaos.schedule import Step
from pulse_chaos.server_faults import READY_SECONDS, SERVICES, restart
from pulse_chaos.site import FILLER, SiteError, fill
from pulse_simulator.embedded_stack import EmbeddedStackError
from pulse_simulator.gateway_session import GatewayError
from pulse_simulator.tcp_proxy import Direction

Act = Callable[[Scene, Step], Awaitable[None]]
_AGENT_DISK_MIB: Final = 256
"""An outbox leaves 128 MiB free: on a smaller disk it would take nothing from the start."""
_SETTLE_SECONDS: Final = 20.0
_HOARD_SECONDS: Final = 300.0
"""In which 187,000 readings of one device must be stored: as long as they took to be measured."""


async def _nothing(_scene: Scene, _step: Step) -> None:
    """Most faults of a moment heal by themselves."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How to break one thing and to mend it. `needs`: what a machine must have, by the names of `missing`."""

    strike: Act
    heal: Act = _nothing
    needs: tuple[str, ...] = ()


def missing(need: str) -> str | None:
    """Say why this machine cannot do something; None: it can."""
    if need == "namespace":
        return None if namespace.is_own() else f"no namespace of its own ({namespace.why_not() or 'not entered'})"
    if need == "faketime":
        return None if namespace.find_faketime() else "libfaketime is not installed"
    return None if shutil.which(need) else f"{need} is not installed"


# -- processes -----------------------------------------------------------------------------------------------------


def _signal(scene: Scene, part: str, number: signal.Signals) -> None:
    if part == "crowd":
        scene.crowd.signal(number)
        return
    if part == "workstation":
        process = scene.site.workstation.process
        pid = process.pid if process is not None and process.poll() is None else None
    else:
        pid = scene.site.stack.pid(part)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


async def _kill(scene: Scene, step: Step) -> None:
    if step.target == "crowd":
        scene.crowd.kill()
        scene.crowd.start()
    elif step.target == "workstation":
        scene.site.workstation.kill()
        scene.site.workstation.start()
    else:
        with suppress(EmbeddedStackError):
            await scene.site.stack.kill(step.target)
    scene.loses_plain |= step.target == "mosquitto"


async def _freeze(scene: Scene, step: Step) -> None:
    _signal(scene, step.target, signal.SIGSTOP)


async def _thaw(scene: Scene, step: Step) -> None:
    _signal(scene, step.target, signal.SIGCONT)


async def _restart_all(scene: Scene, _step: Step) -> None:
    for name in SERVICES:
        await restart(scene, name)


# -- links ---------------------------------------------------------------------------------------------------------


def _cutting(*directions: Direction) -> Act:
    async def cut(scene: Scene, _step: Step) -> None:
        scene.proxy.cut(*directions)

    return cut


async def _mend(scene: Scene, _step: Step) -> None:
    scene.proxy.restore()
    await scene.proxy.accept()


async def _refuse(scene: Scene, _step: Step) -> None:
    await scene.proxy.refuse()


async def _reset(scene: Scene, _step: Step) -> None:
    scene.proxy.reset()


async def _cut_frame(scene: Scene, _step: Step) -> None:
    scene.proxy.reset_after(137)  # Within a frame: ours are longer, and none is a multiple of it.


async def _cut_workstation(scene: Scene, _step: Step) -> None:
    if scene.site.workstation.proxy is not None:
        scene.site.workstation.proxy.cut()
        # By us and not by chance: a short cut could fall between two edits of the load, and then would show nothing.
        scene.wants_conflict = True
        await scene.requests.disagree()


async def _mend_workstation(scene: Scene, _step: Step) -> None:
    if scene.site.workstation.proxy is not None:
        scene.site.workstation.proxy.restore()


async def _command(*command: str) -> None:
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SiteError(f"{' '.join(command)}: {done.stderr.strip()}")


def _packets(verdict: tuple[str, ...], sides: tuple[str, ...]) -> tuple[Act, Act]:
    """Rules on the target's port, in a namespace that is ours; `sides`: to it, from it."""

    def apply(action: str) -> Act:
        async def act(scene: Scene, step: Step) -> None:
            port = str(scene.site.port(step.target))
            for side in sides:
                await _command("iptables", action, "INPUT", "-p", "tcp", side, port, "-j", *verdict)

        return act

    return apply("-I"), apply("-D")


async def _slow(_scene: Scene, _step: Step) -> None:
    await _command(
        "tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "2mbit", "burst", "64kb", "latency", "300ms"
    )


async def _fast(_scene: Scene, _step: Step) -> None:
    await _command("tc", "qdisc", "del", "dev", "lo", "root")


# -- storage -------------------------------------------------------------------------------------------------------


async def _wipe_broker(scene: Scene, _step: Step) -> None:
    stack = scene.site.stack
    pid = await stack.running_pid("mosquitto")
    os.kill(pid, signal.SIGSTOP)  # It must write nothing back between the two.
    # Accounts stay: keys are nowhere but there and on the devices, so they are a matter of the backup, not of healing.
    shutil.rmtree(stack.data / "mosquitto" / "store", ignore_errors=True)
    os.kill(pid, signal.SIGKILL)
    scene.loses_plain = True


async def _read_only(scene: Scene, _step: Step) -> None:
    await as_superuser(scene, "alter system set default_transaction_read_only = on", "select pg_reload_conf()")


async def _writable(scene: Scene, _step: Step) -> None:
    undo = ("set default_transaction_read_only = off", "alter system reset default_transaction_read_only")
    await as_superuser(scene, *undo, "select pg_reload_conf()")


async def _locked(scene: Scene, step: Step) -> None:
    async def hold() -> None:
        connection = await asyncpg.connect(scene.site.superuser_url)
        try:
            async with connection.transaction():
                await connection.execute("lock table telemetry.stream, telemetry.sample in exclusive mode")
                await asyncio.sleep(step.lasts)
        finally:
            connection.terminate()

    async def hold_if_possible() -> None:
        with suppress(*DATABASE_ERRORS):  # Another fault struck it meanwhile.
            await hold()

    scene.start(f"lock {step.at}", hold_if_possible())


async def _unlocked(scene: Scene, step: Step) -> None:
    await scene.stop(f"lock {step.at}")


async def _fill_database(scene: Scene, _step: Step) -> None:
    if scene.site.database_disk is not None:
        await asyncio.to_thread(fill, scene.site.database_disk)


async def _empty_database(scene: Scene, _step: Step) -> None:
    if scene.site.database_disk is not None:
        (scene.site.database_disk / FILLER).unlink(missing_ok=True)


async def _move_agents(scene: Scene, copy_first: Callable[[Crowd], None]) -> None:
    """Do something to the agents' disk while they are away, as with a machine that is switched off."""
    scene.crowd.kill()
    await asyncio.to_thread(copy_first, scene.crowd)
    scene.crowd.start()


async def _fill_agents(scene: Scene, _step: Step) -> None:
    await asyncio.to_thread(fill, scene.crowd.folder)


async def _empty_agents(scene: Scene, _step: Step) -> None:
    (scene.crowd.folder / FILLER).unlink(missing_ok=True)


async def mount_agents_disk(folder: Path) -> None:
    """Give the crowd a small disk of its own, in a namespace of ours. Raises SiteError."""
    await _command("mount", "-t", "tmpfs", "-o", f"size={_AGENT_DISK_MIB}m", "chaos", str(folder))


async def release_agents_disk(folder: Path) -> None:
    """Take the crowd's disk away. Raises SiteError."""
    await _command("umount", "-l", str(folder))


async def _deliver_all(scene: Scene) -> None:
    """Let the crowd deliver what it has and end: what its disk loses from here on was stored already."""
    scene.crowd.end_generation()
    async with asyncio.timeout(_SETTLE_SECONDS + scene.crowd.drain_seconds):
        await scene.crowd.until_drained()


async def _roll_back(scene: Scene, _step: Step) -> None:
    copy = scene.crowd.folder.with_name(f"{scene.crowd.folder.name}-copy")
    await _move_agents(scene, lambda crowd: crowd.copy_outboxes(copy))
    before = await asyncio.to_thread(scene.crowd.accepted)
    async with asyncio.timeout(_SETTLE_SECONDS):
        while await asyncio.to_thread(scene.crowd.accepted) < before + 40:
            await asyncio.sleep(0.1)
    # What a disk forgot that was nowhere else, nobody can bring back: so it is delivered first.
    await _deliver_all(scene)
    await asyncio.to_thread(scene.crowd.restore_outboxes, copy)
    scene.crowd.start()


async def _truncate(scene: Scene, _step: Step) -> None:
    await _deliver_all(scene)
    for outbox in scene.crowd.outboxes():
        outbox.with_name(outbox.name + "-wal").unlink(missing_ok=True)
        os.truncate(outbox, max(1, outbox.stat().st_size * 2 // 3))
    scene.crowd.start()


async def _clone(scene: Scene, _step: Step) -> None:
    crowd = scene.crowd
    await _deliver_all(scene)
    other = scene.clone = replace(crowd, folder=crowd.folder.with_name(f"{crowd.folder.name}-clone"), process=None)
    await asyncio.to_thread(shutil.copytree, crowd.folder / "data", other.folder / "data")
    crowd.start()
    other.start()
    scene.breaks_order = True


async def _end_clone(scene: Scene, _step: Step) -> None:
    if scene.clone is not None:
        # Both have the same names at the broker, so each disturbs the other until one of them is gone: switched off
        # here, it is switched on again when the run drains, as a machine that was copied would be.
        scene.clone.kill()


# -- clocks, accounts, parties -------------------------------------------------------------------------------------


async def _clock(scene: Scene, step: Step) -> None:
    library = namespace.find_faketime()
    scene.crowd.environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{step.target}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    await _move_agents(scene, lambda _crowd: None)
    scene.breaks_order = True
    scene.is_late |= float(step.target) < 0


async def _insist(scene: Scene, method: str, path: str) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            with suppress(GatewayError):
                await scene.site.session.request(method, path, if_match="*")
                return
            await asyncio.sleep(0.3)


async def _revoke(scene: Scene, _step: Step) -> None:
    await _insist(scene, "POST", f"/api/devices/{scene.crowd.agent_ids[0]}/disable")


async def _allow(scene: Scene, _step: Step) -> None:
    await _insist(scene, "POST", f"/api/devices/{scene.crowd.agent_ids[0]}/enable")


def _party(make: Callable[[Scene], Awaitable[None]]) -> tuple[Act, Act]:
    async def begin(scene: Scene, step: Step) -> None:
        async def work() -> None:
            await make(scene)

        scene.start(f"{step.fault} {step.at}", work())

    async def end(scene: Scene, step: Step) -> None:
        await scene.stop(f"{step.fault} {step.at}")

    return begin, end


async def _begin_hoard(scene: Scene, step: Step) -> None:
    scene.start(f"hoard {step.at}", scene.intruder.hoard(scene.oracle))


async def _end_hoard(scene: Scene, step: Step) -> None:
    async with asyncio.timeout(_HOARD_SECONDS):
        await scene.tasks[f"hoard {step.at}"]
    await scene.stop(f"hoard {step.at}")


def _forge(scene: Scene) -> Awaitable[None]:
    return scene.intruder.forge(scene.crowd.agent_ids, scene.site.workstation.device_id, epoch=1)


FAULTS: Final[Mapping[str, Fault]] = {
    "kill": Fault(_kill),
    "freeze": Fault(_freeze, _thaw),
    "restart-all": Fault(_restart_all),
    "cut": Fault(_cutting(), _mend),
    "cut-up": Fault(_cutting(Direction.UP), _mend),
    "cut-down": Fault(_cutting(Direction.DOWN), _mend),
    "refuse": Fault(_refuse, _mend),
    "reset": Fault(_reset),
    "cut-frame": Fault(_cut_frame),
    "cut-workstation": Fault(_cut_workstation, _mend_workstation),
    "slow": Fault(_slow, _fast, ("namespace", "tc")),
    "drop": Fault(*_packets(("DROP",), ("--dport", "--sport")), ("namespace", "iptables")),
    "drop-from": Fault(*_packets(("DROP",), ("--sport",)), ("namespace", "iptables")),
    "reject": Fault(*_packets(("REJECT", "--reject-with", "tcp-reset"), ("--dport",)), ("namespace", "iptables")),
    "wipe-broker": Fault(_wipe_broker),
    "read-only": Fault(_read_only, _writable),
    "locked": Fault(_locked, _unlocked),
    "database-full": Fault(_fill_database, _empty_database, ("namespace",)),
    "agent-disk-full": Fault(_fill_agents, _empty_agents, ("namespace",)),
    "roll-back": Fault(_roll_back),
    "truncate": Fault(_truncate),
    "clone": Fault(_clone, _end_clone),
    "clock": Fault(_clock, needs=("faketime",)),
    "server-clock": Fault(server_faults.step_clock, server_faults.mend_clock, ("faketime",)),
    "partitions-lost": Fault(server_faults.lose_partitions, server_faults.regain_partitions),
    "no-partition": Fault(server_faults.hide_partitions, server_faults.show_partitions),
    "migrate": Fault(server_faults.migrate),
    "broker-full": Fault(server_faults.fill_broker, server_faults.empty_broker, ("namespace",)),
    "torn-accounts": Fault(server_faults.tear_accounts),
    "full-broker-killed": Fault(server_faults.kill_full_broker, server_faults.empty_broker, ("namespace",)),
    "revoke": Fault(_revoke, _allow),
    "poison": Fault(*_party(lambda scene: scene.intruder.poison())),
    "forge": Fault(*_party(_forge)),
    "flood": Fault(*_party(lambda scene: scene.intruder.flood())),
    "hoard": Fault(_begin_hoard, _end_hoard),
    "odd-times": Fault(*_party(lambda scene: scene.intruder.odd_times(scene.oracle))),
    "deaf": Fault(*_party(lambda scene: never_read(scene.site.stack, scene.site.session))),
}
