"""The executor over the real broker, against a peer that signs commands: what is done, what is refused, what is said."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pulse_agent.app import Agent
from pulse_agent.commands.command import AgentCommand, CommandFailedError, Commands, Invocation
from pulse_agent.commands.executor import CommandExecutor, ExecutorParts
from pulse_agent.commands.intent_log import IntentLog
from pulse_agent.delivery.server_time import ServerTime
from pulse_agent.settings import AgentSettings
from pulse_chassis.clock import SystemClock
from pulse_chassis.mqtt import MqttEndpoint
from pulse_chassis.run import Worker, run_workers
from pulse_chassis.signatures import SigningKey, TrustedKeys
from pulse_contracts.commands import MAX_COMMAND_BYTES, MAX_RESULT_BYTES, Command, CommandSpec
from pulse_contracts.ids import ClientId
from pulse_contracts.value_specs import ValueSpec, ValueType

NUMBER = {"n": ValueSpec(type=ValueType.INTEGER, minimum=0, maximum=9, is_required=True)}


class Pump:
    """A plug-in that counts how often each thing was really done."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.may_go_on = asyncio.Event()

    def commands(self) -> list[AgentCommand]:
        return [
            AgentCommand(CommandSpec(name="COUNT", description="Counts", arguments=NUMBER), self.count),
            AgentCommand(CommandSpec(name="WAIT"), self.wait),
            AgentCommand(CommandSpec(name="BREAK"), self.fail),
            AgentCommand(CommandSpec(name="TALK"), self.talk),
        ]

    async def count(self, invocation: Invocation) -> dict[str, Any]:
        self.done.append(invocation.arguments["n"])
        return {"n": invocation.arguments["n"]}

    async def wait(self, invocation: Invocation) -> None:
        self.done.append("wait")
        invocation.progress(0.5, "half")
        await self.may_go_on.wait()

    async def fail(self, _: Invocation) -> None:
        raise CommandFailedError("pump_stuck", "no flow")

    async def talk(self, _: Invocation) -> str:
        return "x" * MAX_RESULT_BYTES


@asynccontextmanager
async def executing(
    peer: Any,
    device: MqttEndpoint,
    folder: Path,
    commands: Sequence[AgentCommand],
    disabled: Sequence[str] = (),
) -> AsyncIterator[CommandExecutor]:
    clock, client_id = SystemClock(), ClientId(peer.client_id)
    server_time = ServerTime(clock)
    keys = TrustedKeys([peer.key.public_jwk()])
    executor = CommandExecutor(ExecutorParts(client_id, keys, IntentLog(folder / "commands.db"), clock, server_time))
    executor.offer(Commands(commands, disabled))
    settings = AgentSettings(folder / "outbox.db", client_id, device)
    stop = asyncio.Event()
    async with Agent(settings, downlinks=[executor], clock=clock, server_time=server_time) as agent:
        running = asyncio.create_task(run_workers([*agent.workers(), Worker("commands", executor.run)], stop=stop))
        try:
            known = len(peer.capabilities)
            await peer.until(lambda: len(peer.capabilities) > known or running.done(), "capabilities")
            yield executor
        finally:
            stop.set()
            await running


async def test_a_command_is_received_started_and_done_and_its_result_comes_back(
    peer: Any, device: MqttEndpoint, tmp_path: Path
) -> None:
    pump = Pump()
    async with executing(peer, device, tmp_path, pump.commands()):
        ended = await peer.run("COUNT", {"n": 3})
        assert (ended.state, ended.result) == ("succeeded", {"n": 3})
        assert peer.states(str(ended.jti)) == ["received", "started", "succeeded"]
        assert {spec.name for spec in peer.capabilities[-1].commands} == {"COUNT", "WAIT", "BREAK", "TALK"}
        failed = await peer.run("BREAK")
        assert (failed.state, failed.error and failed.error.code) == ("failed", "pump_stuck")
        large = await peer.run("TALK")
        assert (large.state, large.error and large.error.code) == ("failed", "result_too_large")
    assert pump.done == [3]


async def test_whatever_is_not_a_fresh_genuine_command_changes_nothing(
    peer: Any, device: MqttEndpoint, tmp_path: Path
) -> None:
    pump, past = Pump(), int(time.time()) - 100
    forged = peer.sign("COUNT", {"n": 1}, key=SigningKey.generate(peer.key.key_id))[1]
    refused: list[tuple[str, Callable[[], bytes]]] = [
        ("bad_signature", lambda: forged),
        ("unknown_key", lambda: peer.sign("COUNT", {"n": 1}, key=SigningKey.generate())[1]),
        ("bad_signature", lambda: peer.sign("COUNT", {"n": 1}, token_type="pulse-lease+jws")[1]),
        ("wrong_audience", lambda: peer.sign("COUNT", {"n": 1}, aud="another")[1]),
        ("wrong_topic", lambda: peer.sign("COUNT", {"n": 1}, topic="command/another")[1]),
        ("malformed", lambda: b"no token"),
        ("too_large", lambda: b"x" * (MAX_COMMAND_BYTES + 1)),
        ("replayed", lambda: peer.sign("COUNT", {"n": 1}, cnt=1)[1]),
        ("replayed", lambda: peer.sign("COUNT", {"n": 1}, iat=past, exp=past + 300)[1]),
    ]
    async with executing(peer, device, tmp_path, pump.commands()):
        first = await peer.run("COUNT", {"n": 0})
        assert first.state == "succeeded"
        for number, (code, payload) in enumerate(refused, 1):
            await peer.publish(payload())
            await peer.until(lambda number=number: len(peer.refusals) >= number, code)
            assert peer.refusals[-1].code == code
        expired = await peer.send("COUNT", {"n": 1}, iat=past, exp=past + 10)
        await peer.until(lambda: peer.states(expired) == ["expired"], "expired")
        assert pump.done == [0]
        after = await peer.run("COUNT", {"n": 2})
        assert after.state == "succeeded"
    assert pump.done == [0, 2]


async def test_a_retained_command_is_refused(peer: Any, device: MqttEndpoint, tmp_path: Path) -> None:
    pump = Pump()
    _, token = peer.sign("COUNT", {"n": 1})
    await peer.publish(token, retain=True)
    try:
        async with executing(peer, device, tmp_path, pump.commands()):
            await peer.until(lambda: peer.refusals, "refusal")
        assert peer.refusals[0].code == "retained"
    finally:
        await peer.publish(b"", retain=True)
    assert pump.done == []


async def test_unknown_names_wrong_arguments_and_disabled_commands_are_rejected(
    peer: Any, device: MqttEndpoint, tmp_path: Path
) -> None:
    pump = Pump()
    async with executing(peer, device, tmp_path, pump.commands(), disabled=["BREAK"]):
        for name, args, code in [
            ("NOTHING", {}, "unknown_command"),
            ("COUNT", {}, "bad_arguments"),
            ("COUNT", {"n": 10}, "bad_arguments"),
            ("COUNT", {"n": 1, "m": 1}, "bad_arguments"),
            ("BREAK", {}, "disabled"),
        ]:
            ended = await peer.run(name, args)
            assert (ended.state, ended.error and ended.error.code) == ("rejected", code)
    assert pump.done == []


async def test_a_known_command_is_answered_and_not_done_again_also_after_a_restart(
    peer: Any, device: MqttEndpoint, tmp_path: Path
) -> None:
    pump = Pump()
    async with executing(peer, device, tmp_path, pump.commands()):
        jti = await peer.send("COUNT", {"n": 4})
        await peer.finish(jti)
        await peer.publish(peer.tokens[jti])
        await peer.until(lambda: peer.states(jti).count("succeeded") == 2, "answered again")
    async with executing(peer, device, tmp_path, pump.commands()):
        await peer.publish(peer.tokens[jti])
        await peer.until(lambda: peer.states(jti).count("succeeded") == 3, "answered after a restart")
    assert pump.done == [4]


async def test_commands_are_done_one_at_a_time_in_counter_order(
    peer: Any, device: MqttEndpoint, tmp_path: Path
) -> None:
    pump = Pump()
    async with executing(peer, device, tmp_path, pump.commands()):
        long = await peer.send("WAIT")
        behind = [await peer.send("COUNT", {"n": n}) for n in range(3)]
        await peer.until(lambda: all(peer.states(jti) == ["received"] for jti in behind), "queued")
        await peer.until(lambda: peer.states(long) == ["received", "started", "started"], "progress")
        assert peer.statuses[long][-1].progress == 0.5
        assert pump.done == ["wait"]
        pump.may_go_on.set()
        await peer.until(lambda: all(peer.has_ended(jti) for jti in (long, *behind)), "done")
    assert pump.done == ["wait", 0, 1, 2]


async def test_what_waits_or_is_cut_off_by_a_stop_is_settled_by_the_next_start(
    peer: Any, device: MqttEndpoint, tmp_path: Path
) -> None:
    pump = Pump()
    async with executing(peer, device, tmp_path, pump.commands()):
        long = await peer.send("WAIT")
        behind = await peer.send("COUNT", {"n": 5})
        await peer.until(lambda: peer.states(behind) == ["received"] and "started" in peer.states(long), "queued")
    async with executing(peer, device, tmp_path, pump.commands()):
        await peer.until(lambda: peer.has_ended(long) and peer.has_ended(behind), "settled")
    last = peer.last(long)
    assert last is not None
    assert last.error is not None
    assert last.error.code == "agent_stopped"
    assert pump.done == ["wait", 5]


async def test_the_last_state_is_sent_again_until_somebody_gets_it(
    peer: Any, device: MqttEndpoint, tmp_path: Path, mosquitto_broker: Any, server: Any
) -> None:
    pump = Pump()
    async with executing(peer, device, tmp_path, pump.commands()):
        jti = await peer.send("WAIT")
        await peer.until(lambda: "started" in peer.states(jti), "started")
        mosquitto_broker.kill()
        pump.may_go_on.set()
        mosquitto_broker.start()
        await server.start()
        await peer.start()
        await peer.until(lambda: peer.has_ended(jti), "the end after the broker came back")
    assert peer.states(jti)[-1] == "succeeded"
    assert pump.done == ["wait"]


async def test_without_its_log_the_agent_does_not_let_old_commands_in_again(
    peer: Any, device: MqttEndpoint, tmp_path: Path
) -> None:
    pump = Pump()
    async with executing(peer, device, tmp_path / "first", pump.commands()):
        jti = await peer.send("COUNT", {"n": 6}, iat=int(time.time()) - 5)
        await peer.until(lambda: peer.refusals or peer.has_ended(jti), "judged")
        assert peer.refusals[-1].code == "replayed"
        fresh = str(uuid.uuid4())
        await peer.send("COUNT", {"n": 7}, jti=fresh, iat=int(time.time()) + 1)
        await peer.finish(fresh)
    async with executing(peer, device, tmp_path / "second", pump.commands()):
        ended = await peer.run("COUNT", {"n": 8}, iat=int(time.time()) + 1)
        assert ended.state == "succeeded"
    assert pump.done == [7, 8]


async def test_what_a_crash_left_unjudged_is_judged_by_the_next_start(
    peer: Any, device: MqttEndpoint, tmp_path: Path
) -> None:
    """Between the log's commit and the check of the arguments the process may die."""
    pump, now = Pump(), int(time.time())
    log = IntentLog(tmp_path / "commands.db")
    log.open("now")
    log.date(now)
    wrong = [("COUNT", {"n": "text"}, now + 300), ("NOTHING", {}, now + 300), ("COUNT", {"n": 1}, now - 1)]
    kept: list[str] = []
    for counter, (name, args, exp) in enumerate(wrong, 1):
        jti = uuid.UUID(int=counter)
        log.admit(Command(
            iss="commands", aud=peer.client_id, topic="t", jti=jti, cnt=counter, iat=now, exp=exp, name=name, args=args
        ), 0)  # fmt: skip
        kept.append(str(jti))
    log.close()
    async with executing(peer, device, tmp_path, pump.commands()):
        await peer.until(lambda: all(map(peer.has_ended, kept)), "judged")
    assert [peer.last(jti).state for jti in kept] == ["rejected", "rejected", "expired"]
    assert pump.done == []
