"""The command executor: takes what comes on the command topic, and does what is a command, one at a time.

Guarantees: a command is in the intent log, on the disk, before the broker is told that it was received and before it
is started; it is started at most once, whatever is published again and whenever the process dies; a known `jti` is
answered with what is known of it. There is strictly one queue, in counter order: a long command holds up those behind
it, PING included, so that two commands never act at the same time. A failing command never ends the agent.
Never does: execute anything that is not on the allow-list, or while the log cannot be written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, ParamSpec, TypeVar

from pulse_agent.commands.command import Commands
from pulse_agent.commands.execution import RestartPendingError, execute
from pulse_agent.commands.intent_log import Ending, Intent, IntentLog, LogUnavailableError, NotAdmittedError
from pulse_agent.commands.reporter import Reporter
from pulse_agent.commands.verification import RefusedError, verified_command
from pulse_agent.delivery.server_time import ServerTime
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import InboundMessage, MqttSession
from pulse_chassis.signatures import TrustedKeys
from pulse_contracts.commands import CommandState, RefusalReport, StatusReport
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import command as command_topic
from pulse_contracts.value_specs import arguments_problem

MAX_INBOX: Final = 64
"""Messages not looked at yet; overflow policy: the newest goes, the server publishes it again."""
MAX_WAITING: Final = 64
"""Commands that wait for their turn; overflow policy: a new one is rejected, `queue_full`."""
TIME_PATIENCE_SECONDS: Final = 5.0
"""How long a command waits for the server to say the time before the machine's clock must do."""
FLUSH_SECONDS: Final = 2.0
PURGE_SECONDS: Final = 3600.0
DISK_PAUSE_SECONDS: Final = 1.0

P = ParamSpec("P")
T = TypeVar("T")

_log = get_logger("commands")


@dataclass(frozen=True, slots=True)
class ExecutorParts:
    """What an executor stands on. `keys` are the commands service's as far as they are known: without, all is refused."""

    client_id: ClientId
    keys: TrustedKeys
    log: IntentLog
    clock: Clock
    server_time: ServerTime


class CommandExecutor:
    """One device's commands: a `Downlink`. Say what it may do by `offer`, then `run` it, once."""

    def __init__(self, parts: ExecutorParts) -> None:
        self._parts = parts
        self._commands = Commands()
        self._disk = ThreadPoolExecutor(1, "commands")  # its thread starts with the first job
        self._reporter = Reporter(parts.client_id, self, parts.clock)
        self._inbox: asyncio.Queue[tuple[InboundMessage, MqttSession]] = asyncio.Queue(MAX_INBOX)
        self._waiting: asyncio.PriorityQueue[tuple[int, Intent]] = asyncio.PriorityQueue()
        self._purged_at = float("-inf")
        self._opened_at = 0.0

    def trust(self, keys: TrustedKeys) -> None:
        """Believe these keys from now on."""
        self._parts = replace(self._parts, keys=keys)

    # -- life -------------------------------------------------------------------------------------------------------

    def offer(self, commands: Commands) -> None:
        """Do these commands, and no others; to be said before `run`."""
        self._commands = commands
        self._reporter.offer(commands.custom_specs())

    async def run(self, stop: asyncio.Event) -> None:
        """Take and execute until `stop`; what is being executed then gets a moment, what waits is done next time."""
        try:
            await self._insist(stop, self._open)
        except LogUnavailableError:
            return
        executing = asyncio.create_task(self._execute_all(stop))
        works = (self._take_all(), self._reporter.run(), self._date_log(stop))
        tasks = {executing, *(asyncio.create_task(work) for work in works)}
        try:
            open_tasks = tasks
            while executing in open_tasks:  # it ends at `stop`; the others may end only by failing, or having dated
                done, open_tasks = await asyncio.wait(open_tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._write(self._parts.log.close)
            self._disk.shutdown(wait=False)

    async def flushed(self) -> None:
        """Return when what there is to report was sent, or soon after."""
        await self._reporter.flushed(FLUSH_SECONDS)

    # -- the connection (Downlink) ----------------------------------------------------------------------------------

    @property
    def filters(self) -> Sequence[tuple[str, int]]:
        """The device's own command topic, QoS 2."""
        return ((command_topic(self._parts.client_id), 2),)

    def receive(self, message: InboundMessage, session: MqttSession) -> None:
        """Queue a message; it is acked when it is in the log, or refused."""
        if self._inbox.full():
            _log.warning("command_inbox_full", detail="dropped; the server publishes it again")
            session.ack(message)
            return
        self._inbox.put_nowait((message, session))

    def connected(self, session: MqttSession) -> None:
        """Report over this session."""
        self._reporter.connected(session)

    def disconnected(self) -> None:
        """Report nothing until the next session."""
        self._reporter.disconnected()

    # -- what the reporter asks -------------------------------------------------------------------------------------

    async def unreported(self) -> list[Intent]:
        """Return commands whose last state the broker has not taken."""
        try:
            return await self._write(self._parts.log.unreported)
        except LogUnavailableError as error:
            _log.warning("command_log_not_read", reason=str(error))
            return []

    async def taken(self, jti: str, state: str) -> None:
        """Take note of what the broker took; what cannot be noted is only sent once more."""
        try:
            await self._write(self._parts.log.reported, jti, state)
        except LogUnavailableError as error:
            _log.warning("command_report_not_noted", reason=str(error))

    # -- taking -----------------------------------------------------------------------------------------------------

    async def _take_all(self) -> None:
        while True:
            message, session = await self._inbox.get()
            try:
                await self._take(message)
            except RefusedError as refusal:
                _log.warning("command_refused", code=refusal.code, detail=str(refusal), jti=refusal.jti)
                self._reporter.refuse(
                    RefusalReport(code=refusal.code, detail=str(refusal)[:500], jti=refusal.jti, at=self._now_ms())
                )
            except LogUnavailableError as error:
                # Nothing is said of it, so the server goes on publishing it: it may be done once the disk works.
                _log.error("command_not_kept", reason=str(error))
            except Exception:  # noqa: BLE001 # a message boundary: what one message breaks must not end the agent
                _log.exception("command_broke_the_executor", bytes=len(message.payload))
            session.ack(message)

    async def _take(self, message: InboundMessage) -> None:
        """Verify, keep, and queue or answer. Raises RefusedError, LogUnavailableError."""
        parts = self._parts
        command = verified_command(message, parts.keys, parts.client_id)
        await self._learn_time()
        known = await self._write(parts.log.find, str(command.jti))
        if known is not None:
            self._reporter.say(known.report())
            return
        try:
            intent = await self._write(parts.log.admit, command, self._now_ms())
        except NotAdmittedError as error:
            if parts.server_time.now() < command.exp:
                raise RefusedError("replayed", str(error), str(command.jti)) from error
            self._reporter.say(StatusReport(jti=command.jti, state="expired", at=self._now_ms()))
            return
        _log.info("command_received", name=intent.name, jti=intent.jti, counter=intent.counter)
        ending = self._judge(intent)
        if ending is None and self._waiting.qsize() >= MAX_WAITING:
            ending = Ending.failure("queue_full", f"{MAX_WAITING} commands are waiting", CommandState.REJECTED)
        if ending is not None:
            with suppress(LogUnavailableError):
                await self._end(intent, ending)
                return
            # It is in the log as received, as after a crash: the queue judges it again, and insists.
        else:
            self._reporter.say(intent.report())
        self._waiting.put_nowait((intent.counter, intent))

    def _judge(self, intent: Intent) -> Ending | None:
        """Return why a command that is kept must not be executed; None: it may."""
        if self._parts.server_time.now() >= intent.expires_at:
            return Ending(CommandState.EXPIRED)
        if self._commands.is_disabled(intent.name):
            return Ending.failure("disabled", "switched off on this machine", CommandState.REJECTED)
        found = self._commands.find(intent.name)
        if found is None:
            return Ending.failure("unknown_command", f"there is no {intent.name} here", CommandState.REJECTED)
        problem = arguments_problem(found.spec.arguments, intent.arguments)
        if problem is not None:
            return Ending.failure("bad_arguments", " ".join(problem), CommandState.REJECTED)
        return None

    async def _date_log(self, stop: asyncio.Event) -> None:
        """Write when the log was made as soon as the server says the time."""
        await self._parts.server_time.wait(None)
        with suppress(LogUnavailableError):
            await self._insist(stop, self._learn_time)

    async def _learn_time(self) -> None:
        """Wait for the server's time, not for ever; once it is known see that the log is dated: by when it was opened."""
        parts = self._parts
        await parts.server_time.wait(TIME_PATIENCE_SECONDS)
        if parts.server_time.is_known:
            age = parts.clock.monotonic() - self._opened_at
            await self._write(parts.log.date, parts.server_time.now() - age)

    # -- executing --------------------------------------------------------------------------------------------------

    async def _execute_all(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            intent = await self._next(stop)
            if intent is None:
                return
            try:
                await self._execute(intent, stop)
            except RestartPendingError:
                await stop.wait()
            except LogUnavailableError:
                return  # stopped while the disk failed: not started, or `unknown` after the next start

    async def _next(self, stop: asyncio.Event) -> Intent | None:
        """Return the waiting command of the lowest counter; None at `stop`."""
        getting, stopping = asyncio.create_task(self._waiting.get()), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({getting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return getting.result()[1] if getting.done() and not stop.is_set() else None
        finally:
            getting.cancel()
            stopping.cancel()

    async def _execute(self, intent: Intent, stop: asyncio.Event) -> None:
        parts = self._parts
        await parts.server_time.wait(TIME_PATIENCE_SECONDS)
        judgement, command = self._judge(intent), self._commands.find(intent.name)
        if judgement is not None or command is None:  # time has passed, or the program is another since it came
            await self._insist(stop, self._end, intent, judgement or Ending(CommandState.REJECTED))
            return
        started_at = self._now_ms()
        if not await self._insist(stop, self._write, parts.log.start, intent.jti, started_at):
            return
        self._reporter.say(StatusReport(jti=intent.jti, state="started", at=started_at))

        def tell(share: float, message: str | None) -> None:
            at = self._now_ms()
            self._reporter.say(StatusReport(jti=intent.jti, state="started", at=at, progress=share, message=message))

        ending = await execute(command, intent, tell, stop)
        await self._insist(stop, self._end, intent, ending)

    async def _end(self, intent: Intent, ending: Ending) -> None:
        ended = await self._write(self._parts.log.end, intent.jti, ending, self._now_ms())
        code = None if ending.error is None else ending.error.code
        _log.info("command_ended", name=intent.name, jti=intent.jti, state=ending.state.value, code=code)
        self._reporter.say(ended.report())
        if self._parts.clock.monotonic() - self._purged_at > PURGE_SECONDS:
            self._purged_at = self._parts.clock.monotonic()
            await self._write(self._parts.log.purge, self._now_ms())

    # -- inside -----------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        """Open the log, settle what a crash cut off, and queue what was received and not started."""
        log, stamp = self._parts.log, self._parts.clock.now().strftime("%Y%m%dT%H%M%SZ")
        set_aside = await self._write(log.open, stamp)
        if set_aside is not None:
            _log.error("command_log_was_damaged", set_aside_as=set_aside)
        self._opened_at = self._parts.clock.monotonic()
        for intent in await self._write(log.recover, self._now_ms()):
            self._waiting.put_nowait((intent.counter, intent))

    def _now_ms(self) -> int:
        return int(self._parts.server_time.now() * 1000)

    async def _insist(
        self, stop: asyncio.Event, write: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Write, again and again while the disk fails: nothing else is executed meanwhile. At `stop` it raises."""
        is_failing = False
        while True:
            try:
                return await write(*args, **kwargs)
            except LogUnavailableError as error:
                if not is_failing:
                    _log.error("command_log_failing", reason=str(error))
                is_failing = True
                if stop.is_set():
                    raise
            await self._parts.clock.sleep(DISK_PAUSE_SECONDS)

    async def _write(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one of the log's methods in its thread; a cancelled wait does not stop it."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, lambda: job(*args, **kwargs))
