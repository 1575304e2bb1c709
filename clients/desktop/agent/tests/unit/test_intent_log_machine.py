"""The intent log against a model: commands come, are started, end and come again, with a crash at any statement."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pulse_agent.commands.intent_log import KEPT, RESTART, Ending, IntentLog, NotAdmittedError
from pulse_contracts.commands import Command, CommandState

MADE_AT = 1_800_000_000
KEPT_MS = int(KEPT.total_seconds() * 1000)


def command(number: int, counter: int, name: str, iat: int) -> Command:
    return Command(
        iss="commands",
        aud="d1",
        topic="command/d1",
        jti=UUID(int=number),
        cnt=counter,
        iat=iat,
        exp=iat + 60,
        name=name,
    )


class IntentLogMachine(RuleBasedStateMachine):
    """`states` is what the disk must say of each command, `done` how often each was really executed."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="intent-log-"))
        self.states: dict[str, CommandState] = {}
        self.sent: dict[str, Command] = {}
        self.done: dict[str, int] = {}
        self.times: dict[str, int] = {}
        self.running: str | None = None
        self.counter = 0
        self.now_ms = MADE_AT * 1000
        self.crash_at: int | None = None
        self.crashes = 0
        self.log = self._opened()
        self.log.date(MADE_AT)

    def teardown(self) -> None:
        self.log.close()
        shutil.rmtree(self.folder)

    def _opened(self) -> IntentLog:
        log = IntentLog(self.folder / str(self.crashes) / "commands.db")
        assert log.open("t") is None
        return log

    def _attempt(self, work: Callable[[], Any]) -> tuple[Any, bool]:
        """Do `work`; an armed crash comes at one of its statements. Return what it returned, and whether it crashed."""
        armed, self.crash_at = self.crash_at, None
        connection = self.log._connection
        assert connection is not None
        statements = 0
        crashed = self.folder / str(self.crashes + 1)

        def look(_statement: str) -> None:
            nonlocal statements
            if statements == armed:
                shutil.copytree(self.folder / str(self.crashes), crashed)
            statements += 1

        connection.set_trace_callback(look if armed is not None else None)
        try:
            result = work()
        except NotAdmittedError:
            shutil.rmtree(crashed, ignore_errors=True)
            raise
        finally:
            connection.set_trace_callback(None)
        if not crashed.exists():
            return result, False
        self._restart()
        return result, True

    def _restart(self) -> None:
        """The process is gone, its files are as they were; the next start settles what was cut off."""
        self.log.close()
        self.crashes += 1
        for shared in (self.folder / str(self.crashes)).glob("*-shm"):
            shared.unlink()
        self.log = self._opened()
        self.running = None
        waiting = self.log.recover(self.now_ms)
        for jti, state in self.states.items():
            if state is CommandState.STARTED:
                is_restart = self.sent[jti].name == RESTART
                self.states[jti] = CommandState.SUCCEEDED if is_restart else CommandState.UNKNOWN
        received = [jti for jti, state in self.states.items() if state is CommandState.RECEIVED]
        assert [intent.jti for intent in waiting] == sorted(received, key=lambda jti: self.sent[jti].cnt)

    # -- rules ------------------------------------------------------------------------------------------------------

    @rule(statement=st.integers(0, 8))
    def arm_a_crash(self, statement: int) -> None:
        self.crash_at = statement

    @rule(step=st.integers(-2, 3), age=st.sampled_from([-1, 0, 10]), name=st.sampled_from(["APPEND", RESTART]))
    def a_command_comes(self, step: int, age: int, name: str) -> None:
        sent = command(len(self.sent) + 1, max(1, self.counter + step), name, MADE_AT + age)
        jti = str(sent.jti)
        try:
            _, has_crashed = self._attempt(lambda: self.log.admit(sent, self.now_ms))
        except NotAdmittedError:
            assert step <= 0 or age < 0
            return
        assert sent.cnt > self.counter
        assert age >= 0
        if not has_crashed:
            self.sent[jti], self.states[jti], self.times[jti] = sent, CommandState.RECEIVED, self.now_ms
            self.counter = sent.cnt

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def a_known_one_comes_again(self, data: st.DataObject) -> None:
        sent = self.sent[data.draw(st.sampled_from(sorted(self.sent)))]
        try:
            self.log.admit(sent, self.now_ms)
        except NotAdmittedError:
            return
        raise AssertionError("admitted twice")

    @precondition(lambda self: self.running is None and CommandState.RECEIVED in self.states.values())
    @rule(is_again=st.booleans())
    def the_next_is_started(self, is_again: bool) -> None:
        received = [jti for jti, state in self.states.items() if state is CommandState.RECEIVED]
        jti = min(received, key=lambda jti: self.sent[jti].cnt)
        may, has_crashed = self._attempt(lambda: self.log.start(jti, self.now_ms))
        assert may
        if has_crashed:
            return  # before the commit: nobody was told that it may be executed
        self.states[jti] = CommandState.STARTED
        self.running = jti
        self.done[jti] = self.done.get(jti, 0) + 1
        if is_again:
            assert not self.log.start(jti, self.now_ms)

    @precondition(lambda self: self.running is not None)
    @rule(state=st.sampled_from([CommandState.SUCCEEDED, CommandState.FAILED]))
    def it_ends(self, state: CommandState) -> None:
        jti = self.running
        assert jti is not None
        _, has_crashed = self._attempt(lambda: self.log.end(jti, Ending(state, {"n": 1}), self.now_ms))
        if not has_crashed:
            self.states[jti] = state
            self.running = None

    @rule()
    def the_process_is_killed(self) -> None:
        shutil.copytree(self.folder / str(self.crashes), self.folder / str(self.crashes + 1))
        self._restart()

    @rule()
    def the_broker_takes_the_reports(self) -> None:
        for intent in self.log.unreported():
            self.log.reported(intent.jti, intent.state.value)
        assert self.log.unreported() == []

    @rule(days=st.sampled_from([1, 9]))
    def time_goes_by_and_old_rows_go(self, days: int) -> None:
        self.now_ms += days * 86_400_000
        self.log.purge(self.now_ms)
        for jti, state in list(self.states.items()):
            is_open = state in (CommandState.RECEIVED, CommandState.STARTED)
            if not is_open and self.times[jti] < self.now_ms - KEPT_MS:
                del self.states[jti]  # `sent` keeps it: it must not be admitted again either

    # -- what always holds ------------------------------------------------------------------------------------------

    @invariant()
    def the_disk_says_what_happened(self) -> None:
        for jti in self.sent:
            found = self.log.find(jti)
            assert (found and found.state) == self.states.get(jti)

    @invariant()
    def nothing_was_done_twice_and_the_counter_never_falls(self) -> None:
        assert all(times == 1 for times in self.done.values())
        assert self.log.counter() == self.counter


TestIntentLog = IntentLogMachine.TestCase
TestIntentLog.settings = settings(max_examples=40, stateful_step_count=30)
