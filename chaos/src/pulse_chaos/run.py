"""One run: load, faults by the schedule, heal, quiesce, final read, verdict.

What it guarantees: it ends, whatever the faults did; every fault that struck is healed before the verdict; the verdict
is made of what was found out afterwards, not of what the parties believe.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pulse_chaos import namespace
from pulse_chaos.ack_probe import AckProbe
from pulse_chaos.crowd import Crowd
from pulse_chaos.evidence import command_fates, differences, gather, not_ready
from pulse_chaos.faults import mount_agents_disk, release_agents_disk
from pulse_chaos.intruders import Intruder
from pulse_chaos.invariants import Evidence, judge
from pulse_chaos.outcome import Result
from pulse_chaos.requests import Requests
from pulse_chaos.sabotage import ACTS
from pulse_chaos.scenarios import LOAD_SECONDS
from pulse_chaos.scene import Scene
from pulse_chaos.schedule import Schedule, Step
from pulse_chaos.site import Site, SiteError
from pulse_chaos.timeline import Timeline, Watcher
from pulse_simulator.embedded_stack import register_devices
from pulse_simulator.oracle import OracleLog
from pulse_simulator.tcp_proxy import TcpProxy

DEADLINE_SECONDS: Final = 180.0
"""From the last healing until everything is delivered, answered and ready: an idle machine takes seconds, a busy one shares
its cores."""
SABOTAGED_SECONDS: Final = 45.0
"""The same where a mechanism is taken away: what does not come back then, never does."""
_BEGIN_SECONDS: Final = 120.0
_OPEN: Final = frozenset({"queued", "published", "received", "started"})
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What to do: `number` tells the runs of a site apart."""

    schedule: Schedule
    number: int
    load_seconds: float = LOAD_SECONDS
    deadline_seconds: float = DEADLINE_SECONDS


async def perform(site: Site, order: Order, tell: Tell) -> Result:
    """Do one run on a site. Raises SiteError, GatewayError, NotPreparedError."""
    began, since = time.monotonic(), time.time()
    async with _cast(site, order) as scene:
        tell("load")
        await _until_load(scene)
        scene.timeline.begin()
        scene.timeline.note("load begins")
        try:
            await _strike_all(scene, order, tell)
            tell("quiesce")
            scene.timeline.note("healed")
            evidence = await _settle(scene, since, order.deadline_seconds)
        finally:
            for act in scene.at_the_end:
                await act()
    return Result(evidence, judge(evidence), scene.timeline, time.monotonic() - began)


@asynccontextmanager
async def _cast(site: Site, order: Order) -> AsyncIterator[Scene]:
    schedule, number = order.schedule, order.number
    prefix = f"r{number:03d}"
    probe, intruder = f"{prefix}-probe", f"{prefix}-intruder"
    keys = await register_devices(site.session, [probe, intruder])
    folder = site.folder / f"run-{number:03d}"
    folder.mkdir()
    async with TcpProxy(site.stack.mqtt_host, site.stack.mqtt_port) as proxy:
        crowd = Crowd(site.stack, folder / "crowd", prefix, proxy.port, order.deadline_seconds)
        needs_disk = any(step.fault == "agent-disk-full" for step in schedule) and namespace.is_own()
        if needs_disk:
            await mount_agents_disk(crowd.folder)
        requests = Requests(site, f"run-{number:03d}")
        await requests.prepare()
        timeline = Timeline()
        watcher = Watcher(site.stack, site.session, crowd, timeline)
        with OracleLog(crowd.oracle) as oracle:
            scene = Scene(
                site,
                proxy,
                crowd,
                AckProbe(site.stack, probe, keys[probe]),
                requests,
                watcher,
                timeline,
                Intruder(site.stack, intruder, keys[intruder]),
                oracle,
            )
            try:
                yield scene
            finally:
                await scene.stop_all()
                crowd.kill()
                if scene.clone is not None:
                    scene.clone.kill()
                if needs_disk:
                    await release_agents_disk(crowd.folder)


async def _until_load(scene: Scene) -> None:
    scene.crowd.start()
    scene.start("probe", scene.probe.run())
    scene.start("watcher", scene.watcher.run())
    try:
        async with asyncio.timeout(_BEGIN_SECONDS):
            while not (scene.watcher.frames and scene.probe.seen):
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise SiteError(
            f"no load within {_BEGIN_SECONDS:g} s: {scene.watcher.frames} frames, {scene.probe.seen} acks; "
            f"the crowd said: {scene.crowd.log()[-1500:]}"
        ) from error
    scene.start("requests", scene.requests.run())


async def _strike_all(scene: Scene, order: Order, tell: Tell) -> None:
    """Let every step strike and be healed at its time; return when the load's time is over and all are healed."""
    load = asyncio.create_task(asyncio.sleep(order.load_seconds))
    await asyncio.gather(load, *(_one(scene, step, tell) for step in order.schedule))


async def _one(scene: Scene, step: Step, tell: Tell) -> None:
    await asyncio.sleep(max(0.0, step.at - scene.timeline.now))
    tell(step.label)
    scene.timeline.note(step.label, lasts=step.lasts, is_fault=True)
    fault = ACTS[step.fault]
    try:
        await fault.strike(scene, step)
        await asyncio.sleep(max(0.0, step.ends - scene.timeline.now))
    finally:
        await fault.heal(scene, step)


async def _settle(scene: Scene, since: float, deadline: float) -> Evidence:
    healed = time.monotonic()
    heard = scene.told_on_the_socket

    async def is_live() -> bool:
        return scene.told_on_the_socket > heard

    live = await _until(is_live, healed + deadline)
    await scene.stop("requests")
    scene.timeline.note("generation ends")
    scene.crowd.end_generation()
    is_empty = await scene.crowd.until_drained()
    drain_seconds = time.monotonic() - healed
    if scene.clone is not None:
        is_empty &= await _drain_clone(scene)
    await scene.stop("probe")
    await _until(lambda: _is_quiet(scene, since), healed + deadline)
    for act in scene.before_evidence:
        await act()
    scene.timeline.note("final read")
    evidence = await gather(scene, since)
    await scene.stop("watcher")
    evidence.is_outbox_empty = is_empty
    evidence.drain_seconds = drain_seconds if is_empty else None
    evidence.drain_deadline = deadline
    evidence.outstanding = 0 if is_empty else len({name.split()[2] for name in evidence.missing if " " in name})
    if not live:
        evidence.unanswered.append("no reading reached the socket after the faults")
    return evidence


async def _drain_clone(scene: Scene) -> bool:
    """The copy comes up once more, alone, and delivers what it still has."""
    clone = scene.clone
    if clone is None:
        return True
    clone.start()
    before = await asyncio.to_thread(clone.accepted)

    async def measures() -> bool:
        return await asyncio.to_thread(clone.accepted) > before

    await _until(measures, time.monotonic() + clone.drain_seconds)
    clone.end_generation()
    return await clone.until_drained()


async def _is_quiet(scene: Scene, since: float) -> bool:
    """Every command has ended, the workstation agrees with the server, every part works."""
    try:
        if any(fate.state in _OPEN for fate in await command_fates(scene)):
            return False
        waiting, differing = await differences(scene)
        return not waiting and not differing and not await not_ready(scene)
    except Exception:  # noqa: BLE001 -- whatever is still broken is asked again, and by the verdict for good.
        return False


async def _until(condition: Callable[[], Awaitable[bool]], deadline: float) -> bool:
    """Wait until it holds, at most until `deadline` by the monotonic clock; say whether it does."""
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.3)
    return True


def keep_files(site: Site, to: Path) -> None:
    """Copy the logs of a broken run's site, before the site goes."""
    to.mkdir(parents=True, exist_ok=True)
    for log in [*(site.stack.data / "logs").iterdir(), site.workstation.data / "agent.log"]:
        with suppress(OSError):
            (to / log.name).write_bytes(log.read_bytes())
