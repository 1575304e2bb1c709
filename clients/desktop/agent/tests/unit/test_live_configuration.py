"""Configuration in force: who wins, what a change touches, and what becomes of a value that is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pulse_agent.app import Agent
from pulse_agent.command_line.run import make_source
from pulse_agent.commands.built_in import AgentControl, SyncFailedError, built_in_commands
from pulse_agent.commands.command import CommandFailedError, Invocation
from pulse_agent.configuration.entries import ConfigEntry
from pulse_agent.configuration.knobs import AgentKnobs
from pulse_agent.configuration.live import SET_LOCALLY, LiveConfiguration
from pulse_agent.configuration.options import AgentOptions
from pulse_agent.domain.quota import Overflow
from pulse_agent.settings import AgentSettings
from pulse_agent.sources.source import Emit, Source, UnknownSourceError
from pulse_chassis.clock import SystemClock
from pulse_contracts.ids import ClientId

ACTOR = UUID(int=1)


class Valve:
    """A source that says when it starts and stops, and asks for configuration."""

    name = "valve"

    def __init__(self, diary: list[str], text: str) -> None:
        self.diary = diary
        self.text = text

    def configure(self, values: Mapping[str, Any]) -> None:
        if values.get("custom.valve") == "bad":
            raise ValueError("no such valve")
        self.diary.append(f"{self.text} has {dict(values)}")

    async def run(self, emit: Emit, stop: asyncio.Event) -> None:
        self.diary.append(f"{self.text} starts")
        await emit({"open": True})
        await stop.wait()
        self.diary.append(f"{self.text} stops")


class Plant:
    """One agent on a folder with a configuration to turn."""

    def __init__(self, folder: Path, **given: Any) -> None:
        self.diary: list[str] = []
        self.levels: list[str] = []
        self.away = False
        self.entries: dict[str, ConfigEntry] = {}
        self.options = AgentOptions.read(data=folder, **given)
        clock = SystemClock()
        self.make = partial(make_source, self.options, clock)
        sources = {text: self.make_source(text, self.options.interval) for text in self.options.source_texts()}
        self.agent = Agent(AgentSettings(folder / "outbox.db", ClientId("d1"), quota=self.options.quota()), sources)
        self.live: LiveConfiguration

    def make_source(self, text: str, interval: float) -> Source:
        return Valve(self.diary, text) if text.startswith("valve") else self.make(text, interval)

    def say(self, key: str, value: Any, scope: str = "all/") -> None:
        before = self.entries.get(key)
        self.entries[key] = ConfigEntry(f"{scope}/{key}", key, value, before.version + 1 if before else 1)

    async def edit_config(self, key: str, value: Any, actor: UUID) -> None:
        assert actor == ACTOR
        self.say(key, value, "device/d1")

    async def compare_all(self) -> Mapping[str, Any]:
        if self.away:
            raise SyncFailedError("no_answer", "the server did not answer in time")
        return {"differed": ["users"]}

    async def apply(self) -> dict[str, str | None]:
        await self.live.apply()
        return {entry.id: entry.error for entry in self.live.applied()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with self.agent:
            knobs = AgentKnobs(self.agent, self.options, self.make_source, self.levels.append)
            self.knobs = knobs
            self.live = LiveConfiguration(
                knobs.knobs(), self.agent.sources.configure, lambda: list(self.entries.values())
            )
            task = asyncio.create_task(self.agent.run(stop))
            try:
                yield
            finally:
                stop.set()
                await task


async def test_each_key_turns_what_it_says_at_once(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.say("outbox.max_bytes", 2**21)
    plant.say("outbox.max_age_s", 3600)
    plant.say("outbox.policy", "thin")
    plant.say("log.level", "DEBUG")
    plant.say("sync.pull_interval_s", 5)
    async with plant.running():
        assert set((await plant.apply()).values()) == {None}
        quota = plant.agent.outbox.quota
        assert (quota.max_bytes, quota.max_age, quota.overflow) == (2**21, timedelta(hours=1), Overflow.THIN)
        assert plant.levels == ["DEBUG"]
        plant.entries.clear()
        await plant.apply()
        assert plant.agent.outbox.quota == plant.options.quota()
        assert plant.levels == ["DEBUG", "INFO"]


async def test_a_change_of_sources_touches_only_those_that_change(tmp_path: Path, eventually: Any) -> None:
    plant = Plant(tmp_path)
    async with plant.running():
        plant.say("telemetry.sources", ["valve:a=1", "valve:a=2"])
        assert await plant.apply() == {"all//telemetry.sources": None}
        await eventually(lambda: {"valve:a=1 starts", "valve:a=2 starts"} <= set(plant.diary), what="both run")
        plant.diary.clear()
        plant.say("telemetry.sources", ["valve:a=2", "valve:a=3", "valve:a=2"])
        await plant.apply()
        await eventually(lambda: "valve:a=3 starts" in plant.diary, what="the third runs")
        assert plant.agent.sources.texts == ["valve:a=2", "valve:a=3"]
        assert [line for line in plant.diary if "a=2" in line] == []
        plant.say("telemetry.sources", [])
        await plant.apply()
        assert plant.agent.sources.texts == ["host"]
    assert "valve:a=3 stops" in plant.diary


async def test_a_wrong_value_leaves_the_old_one_in_force_and_says_why(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.running():
        plant.say("telemetry.interval_ms", 2000)
        plant.say("telemetry.sources", ["host", "simulated"])
        await plant.apply()
        plant.say("telemetry.interval_ms", 1)
        plant.say("telemetry.sources", ["host", "no-such-source"])
        plant.say("outbox.policy", "burn")
        plant.say("nothing.known", 1)
        errors = await plant.apply()
        assert errors["all//telemetry.interval_ms"] == "must be at least 10 ms"
        assert "no source 'no-such-source'" in str(errors["all//telemetry.sources"])
        assert errors["all//outbox.policy"] is not None
        assert errors["all//nothing.known"] == "this agent does not know the key"
        assert plant.live.in_force("telemetry.interval_ms") == 2000
        assert plant.agent.sources.texts == ["host", "simulated"]
        plant.say("telemetry.interval_ms", 500)
        assert (await plant.apply())["all//telemetry.interval_ms"] is None


async def test_an_option_given_on_this_machine_wins_and_is_reported(tmp_path: Path) -> None:
    plant = Plant(tmp_path, interval=3.0)
    plant.say("telemetry.interval_ms", 500)
    plant.say("log.level", "ERROR")
    async with plant.running():
        assert await plant.apply() == {"all//telemetry.interval_ms": SET_LOCALLY, "all//log.level": None}
        assert plant.live.in_force("telemetry.interval_ms") == 3000


async def test_custom_keys_go_to_those_who_ask_also_to_a_source_that_starts_later(
    tmp_path: Path, eventually: Any
) -> None:
    plant = Plant(tmp_path)
    async with plant.running():
        plant.say("custom.valve", "north")
        assert await plant.apply() == {"all//custom.valve": None}
        plant.say("telemetry.sources", ["valve"])
        await plant.apply()
        await eventually(lambda: "valve starts" in plant.diary, what="it runs")
        assert plant.diary[0] == "valve has {'custom.valve': 'north'}"
        plant.say("custom.valve", "bad")
        assert (await plant.apply())["all//custom.valve"] == "valve: no such valve"
        plant.say("custom.valve", "south")
        assert (await plant.apply())["all//custom.valve"] is None
        assert plant.diary[-1] == "valve has {'custom.valve': 'south'}"


async def test_an_interval_changes_the_timers_without_their_own_and_restarts_no_source(
    tmp_path: Path, eventually: Any
) -> None:
    plant = Plant(tmp_path)
    async with plant.running():
        plant.say("telemetry.interval_ms", 3_600_000)
        plant.say("telemetry.sources", ["simulated", "simulated:interval=7200,seed=2", "valve"])
        await plant.apply()
        await eventually(lambda: plant.agent.outbox.stats.rows == 3, what="the first of each")
        plant.say("telemetry.interval_ms", 10)
        await plant.apply()
        await eventually(lambda: plant.agent.outbox.stats.rows > 10, what="faster")
        assert plant.diary.count("valve starts") == 1
        plant.say("telemetry.interval_ms", 3_600_000)
        await plant.apply()
        steady = plant.agent.outbox.stats.rows
        plant.say("telemetry.sources", ["simulated:seed=3", "valve"])
        await plant.apply()
        await eventually(lambda: plant.agent.outbox.stats.rows > steady, what="the new one's first")


async def test_entries_that_change_are_applied_by_themselves(tmp_path: Path, eventually: Any) -> None:
    plant = Plant(tmp_path)
    told: list[int] = []
    stop = asyncio.Event()
    async with plant.running():
        plant.live.on_applied(lambda: told.append(len(plant.live.applied())))
        task = asyncio.create_task(plant.live.run(stop))
        plant.say("log.level", "WARNING")
        plant.live.changed()
        await eventually(lambda: plant.levels and told, what="applied and told")
        assert (plant.levels, told) == (["WARNING"], [1])
        stop.set()
        await task


def invocation(**arguments: Any) -> Invocation:
    return Invocation("j", arguments, ACTOR, 60, lambda _share, _message=None: None)


async def test_commands_edit_this_devices_configuration_and_answer_what_is_in_force(tmp_path: Path) -> None:
    plant = Plant(tmp_path, log_level="INFO")
    async with plant.running():
        control = AgentControl(ClientId("d1"), dict, plant.knobs.restart_sources, plant.live, plant)  # type: ignore[arg-type] # the parts of a replica that are asked
        handlers = {command.spec.name: command.handler for command in built_in_commands(control)}
        result = await handlers["CHANGE_INTERVAL"](invocation(interval_ms=250))
        assert result == {"key": "telemetry.interval_ms", "value": 250}
        assert plant.entries["telemetry.interval_ms"].id == "device/d1/telemetry.interval_ms"
        result = await handlers["UPDATE_CONFIG"](invocation(key="custom.line", value_json="[1]"))
        assert result == {"key": "custom.line", "value": [1]}
        assert await handlers["RELOAD"](invocation()) == {"entries": 2, "not_applied": {}}
        for key, value_json, code in [
            ("telemetry.interval_ms", "5", "bad_value"),
            ("telemetry.interval_ms", "NaN", "bad_value"),
            ("telemetry.nothing", "5", "unknown_key"),
            ("a/b", "5", "unknown_key"),
            ("log.level", '"DEBUG"', "set_locally"),
            ("telemetry.sources", '["nowhere"]', "not_applied"),
        ]:
            with pytest.raises(CommandFailedError) as failed:
                await handlers["UPDATE_CONFIG"](invocation(key=key, value_json=value_json))
            assert failed.value.code == code
        assert await handlers["FORCE_SYNC"](invocation()) == {"differed": ["users"]}
        plant.away = True
        with pytest.raises(CommandFailedError) as failed:
            await handlers["FORCE_SYNC"](invocation())
        assert failed.value.code == "no_answer"
        with pytest.raises(CommandFailedError) as failed:
            await handlers["RESTART_AGENT"](invocation())
        assert failed.value.code == "not_supported"


async def test_a_group_that_cannot_make_one_source_changes_nothing(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.running():
        with pytest.raises(UnknownSourceError):
            await plant.agent.sources.run_only(["simulated", "nowhere"], plant.knobs.make_source)
        assert plant.agent.sources.texts == ["host"]
