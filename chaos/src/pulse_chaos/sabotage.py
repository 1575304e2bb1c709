"""Takes one mechanism away, so that a verdict can be seen to fail: from outside, by what an operator could do to files,
the broker's configuration and the database. Only a stack that this program started itself is ever touched.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final

from pulse_chaos.database_steps import as_superuser
from pulse_chaos.faults import FAULTS, Fault
from pulse_chaos.scene import Scene
from pulse_chaos.schedule import Step
from pulse_chaos.server_faults import accounts_file, tear_accounts
from pulse_chassis.mqtt import MqttEndpoint, MqttSession
from pulse_contracts.broker_accounts import COMMANDS_ACCOUNT
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import command
from pulse_local.servers.kept_accounts import kept_copy
from pulse_simulator.real_agent import NOTE
from pulse_simulator.tcp_proxy import Direction

_WAIT_SECONDS: Final = 45.0
_BLIND_SECONDS: Final = 2.0
_FORGED: Final = 30
_SWAP: Final = """
with pair as (
    select s.series_id, min(s.seq) as low, max(s.seq) as high from telemetry.sample s
    join telemetry.series d on d.id = s.series_id
    where d.client_id like '{prefix}-agent-%' and s.epoch > 0 group by s.series_id having count(*) > 5 limit 1
)
update telemetry.sample s set seq = p.low + p.high - s.seq from pair p
where s.series_id = p.series_id and s.seq in (p.low, p.high)
"""


async def _no_authorisation(scene: Scene, _step: Step) -> None:
    """Let everybody publish everything, and forge acks while the agents cannot deliver."""
    data = scene.site.stack.data / "mosquitto"
    with (data / "acl.conf").open("a", encoding="utf-8") as rules:
        rules.write("\npattern readwrite #\n")
    os.kill(await scene.site.stack.running_pid("mosquitto"), signal.SIGHUP)
    rows = await scene.site.stack.fetch(
        "select max(epoch) from telemetry.stream where client_id = any($1)", scene.crowd.agent_ids
    )
    scene.proxy.cut(Direction.UP)
    await asyncio.sleep(_BLIND_SECONDS)
    scene.start(
        "forging", scene.intruder.forge(scene.crowd.agent_ids, scene.site.workstation.device_id, int(rows[0][0]))
    )
    async with asyncio.timeout(_WAIT_SECONDS):
        while scene.intruder.said < _FORGED:
            await asyncio.sleep(0.1)
    await scene.stop("forging")
    scene.proxy.reset()  # What was on its way when the link was cut must not arrive after all.
    scene.proxy.restore()
    # Its rules are written anew whenever it is started.
    scene.at_the_end.append(lambda: scene.site.stack.kill("mosquitto"))


async def _no_sequence(scene: Scene, _step: Step) -> None:
    async def swap() -> None:
        await as_superuser(scene, _SWAP.format(prefix=scene.crowd.prefix))

    scene.before_evidence.append(swap)


async def _no_drain(scene: Scene, _step: Step) -> None:
    scene.proxy.cut()


async def _no_kept_accounts(scene: Scene, step: Step) -> None:
    file = accounts_file(scene)
    whole = file.read_text(encoding="utf-8")
    await tear_accounts(scene, step)
    kept_copy(file).unlink(missing_ok=True)

    async def give_back() -> None:
        pid = await scene.site.stack.running_pid("mosquitto")
        os.kill(pid, signal.SIGSTOP)
        file.write_text(whole, encoding="utf-8")
        os.kill(pid, signal.SIGKILL)

    scene.at_the_end.append(give_back)


async def _no_change_log(scene: Scene, _step: Step) -> None:
    async def write() -> None:
        await as_superuser(scene, "update identity.users set email = 'x' || email where email is not null")

    async def undo() -> None:
        await as_superuser(scene, "update identity.users set email = substr(email, 2) where email is not null")

    scene.before_evidence.append(write)
    scene.at_the_end.append(undo)


async def _no_conflict_log(scene: Scene, _step: Step) -> None:
    async def forget() -> None:
        await as_superuser(scene, "update sync.sync_conflict set desktop_id = 'x' || desktop_id")

    async def undo() -> None:
        await as_superuser(scene, "update sync.sync_conflict set desktop_id = substr(desktop_id, 2)")

    scene.before_evidence.append(forget)
    scene.at_the_end.append(undo)


async def _no_intent_log(scene: Scene, _step: Step) -> None:
    """Have a command done, take it out of the agent's memory, and publish it once more."""
    site = scene.site
    await scene.stop("requests")  # A later command would be heard first, and the repeated one refused by its counter.
    body = {"device_ids": [site.workstation.device_id], "name": NOTE, "args": {"n": 0}, "ttl_s": 600}
    sent: Any = await site.session.request("POST", "/api/commands", json=body)
    jti = str(sent["commands"][0]["id"])
    await _until_noted(scene, jti, 1)
    site.workstation.kill()
    with closing(sqlite3.connect(site.workstation.data / "commands.db")) as log, log:
        log.execute("delete from intent")
        log.execute("update meta set value = 0 where key = 'counter'")
    site.workstation.start()
    row = (await site.stack.fetch("select token from commands.command where id = $1::uuid", jti))[0]
    endpoint = MqttEndpoint(
        site.stack.mqtt_host, site.stack.mqtt_port, COMMANDS_ACCOUNT, site.secrets.broker_commands_password
    )
    session = await MqttSession.connect(endpoint, client_id="chaos-replay", on_message=lambda _: None)

    async def replay() -> None:
        while True:  # Until the agent is there again: its session at the broker begins afresh.
            await session.publish(command(ClientId(site.workstation.device_id)), str(row["token"]).encode(), 2)
            await asyncio.sleep(0.5)

    scene.start("replay", replay())
    await _until_noted(scene, jti, 2)
    await scene.stop("replay")
    await session.disconnect()


async def _until_noted(scene: Scene, jti: str, times: int) -> None:
    async with asyncio.timeout(_WAIT_SECONDS):
        while scene.site.workstation.noted()[jti] < times:
            await asyncio.sleep(0.1)


async def _no_end(scene: Scene, _step: Step) -> None:
    async def reopen() -> None:
        await as_superuser(
            scene,
            "update commands.command set state = 'started', is_settled = true where id in"
            " (select id from commands.command where state = 'succeeded' order by seq desc limit 1)",
        )

    scene.before_evidence.append(reopen)


async def _no_audit_guard(scene: Scene, _step: Step) -> None:
    async def edit(name: str) -> None:
        await as_superuser(
            scene,
            "alter table identity.audit_log disable trigger user",
            f"update identity.audit_log set actor_name = {name} where seq = 1",  # noqa: S608 - two constants
            "alter table identity.audit_log enable trigger user",
        )

    await edit("'x' || coalesce(actor_name, '')")
    scene.at_the_end.append(lambda: edit("nullif(substr(actor_name, 2), '')"))


async def _no_redaction(scene: Scene, _step: Step) -> None:
    log = scene.site.stack.data / "logs" / "valkey.log"  # A quiet one: no line of others is lost below.
    size = log.stat().st_size
    with log.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"event": "signed_in", "password": scene.site.admin[1]}) + "\n")

    async def cut_off() -> None:
        os.truncate(log, size)

    scene.at_the_end.append(cut_off)


async def _no_supervisor(scene: Scene, _step: Step) -> None:
    state = json.loads((scene.site.stack.data / "run" / "state.json").read_text(encoding="utf-8"))
    supervisor = int(state["supervisor_pid"])
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(await scene.site.stack.running_pid("alerts"), signal.SIGKILL)

    async def go_on() -> None:
        os.kill(supervisor, signal.SIGCONT)

    scene.at_the_end.append(go_on)


ACTS: Final[Mapping[str, Fault]] = {
    **FAULTS,
    "no-authorisation": Fault(_no_authorisation),
    "no-sequence": Fault(_no_sequence),
    "no-drain": Fault(_no_drain),
    "no-kept-accounts": Fault(_no_kept_accounts),
    "no-change-log": Fault(_no_change_log),
    "no-conflict-log": Fault(_no_conflict_log),
    "no-intent-log": Fault(_no_intent_log),
    "no-end": Fault(_no_end),
    "no-audit-guard": Fault(_no_audit_guard),
    "no-redaction": Fault(_no_redaction),
    "no-supervisor": Fault(_no_supervisor),
}
"""Every fault, and every mechanism that can be taken away."""
