"""The keys that an agent understands, and what each turns: timers, sources, limits of the outbox, log level, updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from pulse_agent.app import Agent
from pulse_agent.configuration.live import Knob, NotApplicableError
from pulse_agent.configuration.options import AgentOptions
from pulse_agent.domain.quota import Overflow, Quota
from pulse_agent.outbox.writer import OutboxUnavailableError
from pulse_agent.sources.source import Source, UnknownSourceError
from pulse_contracts.configuration import BUILT_IN_KEYS

OPTION_OF: Final = {
    "telemetry.interval_ms": "interval",
    "telemetry.sources": "sources",
    "outbox.max_bytes": "max_mb",
    "outbox.max_age_s": "max_age_hours",
    "outbox.policy": "overflow",
    "log.level": "log_level",
    "updates.mode": "updates",
}
"""The option of this machine that a key stands for: given explicitly, it wins over the server's configuration."""

MakeAtInterval = Callable[[str, float], Source]
"""Makes the source that a text names, at an interval in seconds."""


class AgentKnobs:
    """What the configuration turns in one agent; `set_level` changes the log, `turn_updates` what is done about releases."""

    def __init__(
        self,
        agent: Agent,
        options: AgentOptions,
        make: MakeAtInterval,
        set_level: Callable[[str], None],
        turn_updates: Callable[[str], None] = lambda _mode: None,
    ) -> None:
        self._agent = agent
        self._options = options
        self._make = make
        self._set_level = set_level
        self._mode_of_updates = turn_updates
        self._interval = options.interval

    def make_source(self, text: str) -> Source:
        """Return the source that `text` names, at the interval in force."""
        return self._make(text, self._interval)

    def knobs(self) -> dict[str, Knob]:
        """Return the knob of each key."""
        options, quota = self._options, self._agent.outbox.quota
        age = quota.max_age
        starts: dict[str, tuple[Any, Any]] = {
            "telemetry.interval_ms": (round(options.interval * 1000), self._turn_interval),
            "telemetry.sources": (options.source_texts(), self._turn_sources),
            "outbox.max_bytes": (quota.max_bytes, self._turn_max_bytes),
            "outbox.max_age_s": (0 if age is None else round(age.total_seconds()), self._turn_max_age),
            "outbox.policy": (quota.overflow.value, self._turn_policy),
            "log.level": (options.log_level.upper(), self._turn_level),
            "sync.pull_interval_s": (BUILT_IN_KEYS["sync.pull_interval_s"].default, self._turn_pull_interval),
            "updates.mode": (options.updates, self._turn_updates),
        }
        given = options.model_fields_set
        return {key: Knob(start, turn, OPTION_OF.get(key) in given) for key, (start, turn) in starts.items()}

    async def restart_sources(self) -> None:
        """Start the sources that run anew. Raises NotApplicableError; then they run on as they are."""
        try:
            await self._agent.sources.restart(self.make_source)
        except (UnknownSourceError, ValueError, OSError) as error:
            raise NotApplicableError(str(error)) from error

    async def _turn_interval(self, milliseconds: int) -> None:
        self._interval = milliseconds / 1000
        self._agent.sources.change_interval(self._interval)

    async def _turn_sources(self, texts: list[str]) -> None:
        try:
            await self._agent.sources.run_only(texts or self._options.source_texts(), self.make_source)
        except (UnknownSourceError, ValueError, OSError) as error:
            raise NotApplicableError(str(error)) from error

    async def _turn_max_bytes(self, max_bytes: int) -> None:
        await self._change_quota(replace(self._agent.outbox.quota, max_bytes=max_bytes))

    async def _turn_max_age(self, seconds: int) -> None:
        max_age = timedelta(seconds=seconds) if seconds else None
        await self._change_quota(replace(self._agent.outbox.quota, max_age=max_age))

    async def _turn_policy(self, policy: str) -> None:
        await self._change_quota(replace(self._agent.outbox.quota, overflow=Overflow(policy)))

    async def _change_quota(self, quota: Quota) -> None:
        try:
            await self._agent.outbox.change_quota(quota)
        except OutboxUnavailableError as error:
            raise NotApplicableError(str(error)) from error

    async def _turn_level(self, level: str) -> None:
        self._set_level(level)

    async def _turn_updates(self, mode: str) -> None:
        self._mode_of_updates(mode)

    async def _turn_pull_interval(self, _seconds: int) -> None:
        """The replica, which holds the configuration, takes it from there."""
