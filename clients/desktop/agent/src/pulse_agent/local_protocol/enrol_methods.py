"""What windows of an agent that is not enrolled talk to: looking at a server, and enrolling with it.

Guarantees: one enrolment at a time; one that was begun comes to its end although its window died, as the code is used
up by then; the authority's certificate is kept only by an enrolment that succeeded.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pulse_agent.configuration.device import EnrolledDevice
from pulse_agent.configuration.enrolment import EnrolmentError, EnrolmentFault, enroll
from pulse_agent.configuration.key_store import KeyStore, Secret, load_secret
from pulse_agent.local_access.session import LocalSession
from pulse_agent.local_protocol.calls import Call, CallRefusedError, Handler
from pulse_agent.local_protocol.hall import WindowHall, welcome
from pulse_agent.local_protocol.server_check import check_server
from pulse_agent.local_protocol.status_reader import device_info, unenrolled_status
from pulse_agent.local_protocol.window import Window
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import MqttEndpoint, MqttError, MqttSession, NotAuthorizedError
from pulse_contracts.local_enrolment import (
    EnrolCheckParams,
    EnrolParams,
    EnrolReport,
    Step,
    StepEvent,
    StepReport,
    StepState,
)
from pulse_contracts.local_protocol import ErrorCode, EventName, Welcome
from pulse_contracts.local_status import Mode, NoParams, Status

BROKER_SECONDS: Final = 10.0
BROKER_ATTEMPTS: Final = 4
BROKER_PAUSE_SECONDS: Final = 1.0
_ADVICE: Final = {
    EnrolmentFault.NOT_REACHABLE: "Try again with the same code.",
    EnrolmentFault.CODE_MALFORMED: "Copy the code again from the server's page of the device.",
    EnrolmentFault.CODE_REFUSED: "Codes work once and for a short time: have a new one made on the server.",
    EnrolmentFault.SERVER_FAILED: "Wait a little and try again with the same code.",
    EnrolmentFault.NO_ENROLMENT: "Check the address with the operator of the server.",
}
_BROKER_ADVICE: Final = (
    "The machine is enrolled and keeps its readings. Have the broker's port opened for it; then it delivers by itself."
)

_log = get_logger("windows")


@dataclass(frozen=True, slots=True)
class AwaitingParts:
    """`note` says why this machine is not enrolled; `enrolled` is called once it is."""

    data: Path
    note: str
    clock: Clock
    started: float
    enrolled: Callable[[], None]


class AwaitingDesk:
    """An agent that waits to be enrolled, as a `Host` of windows."""

    mode = Mode.UNENROLLED

    def __init__(self, parts: AwaitingParts) -> None:
        self._parts = parts
        self._enrolling = asyncio.Lock()
        self.handlers: Mapping[str, Handler] = {
            "status": self._status,
            "enrol.check": self._check,
            "enrol.enrol": self._enrol,
        }

    async def current(self, _session: LocalSession) -> LocalSession:
        """Nobody can be signed in. Raises CallRefusedError."""
        raise CallRefusedError(ErrorCode.NOT_ENROLLED, self._parts.note)

    def status(self) -> Status:
        """Return how it stands."""
        parts = self._parts
        return unenrolled_status(parts.data, parts.note, parts.started, parts.clock.now().timestamp())

    async def _status(self, _call: Call, _: NoParams) -> Status:
        return self.status()

    async def _check(self, call: Call, params: EnrolCheckParams) -> EnrolReport:
        with _authority(params.ca_pem) as ca_file:
            steps = await self._look(call, params.url, ca_file)
        return EnrolReport(is_ok=_may_go_on(steps), steps=steps)

    async def _enrol(self, call: Call, params: EnrolParams) -> EnrolReport:
        if self._enrolling.locked():
            raise CallRefusedError(ErrorCode.BUSY, "this machine is being enrolled just now")
        async with self._enrolling:
            with _authority(params.ca_pem) as ca_file:
                steps = await self._look(call, params.url, ca_file)
                device = None
                if _may_go_on(steps):
                    device = await self._use_code(call, params, ca_file, steps)
            if device is None:
                skipped = [s for s in (Step.CODE, Step.BROKER) if s not in {report.step for report in steps}]
                steps += [StepReport(step=step, state=StepState.SKIPPED) for step in skipped]
                return EnrolReport(is_ok=False, steps=steps)
            _tell(call, StepReport(step=Step.BROKER, state=StepState.RUNNING))
            steps.append(await self._reach_broker(device))
            _tell(call, steps[-1])
            self._parts.enrolled()
            return EnrolReport(is_ok=True, steps=steps, device=device_info(device))

    # -- inside -----------------------------------------------------------------------------------------------------

    @staticmethod
    async def _look(call: Call, url: str, ca_file: Path | None) -> list[StepReport]:
        loop = asyncio.get_running_loop()

        def tell(report: StepReport) -> None:
            loop.call_soon_threadsafe(_tell, call, report)

        return await asyncio.to_thread(check_server, url, ca_file, tell)

    async def _use_code(
        self, call: Call, params: EnrolParams, ca_file: Path | None, steps: list[StepReport]
    ) -> EnrolledDevice | None:
        _tell(call, StepReport(step=Step.CODE, state=StepState.RUNNING))
        device = None
        try:
            device = await asyncio.to_thread(
                enroll,
                params.url,
                params.code.strip(),
                self._parts.data,
                ca_file=ca_file,
                allow_keyring=params.use_keyring,
            )
        except EnrolmentError as error:
            report = _failed_code(error.fault.value, str(error), _ADVICE[error.fault])
        except OSError as error:
            advice = "See that there is room on the disk, have a new code made and try again."
            report = _failed_code("not_kept", f"the enrolment could not be kept here: {error}", advice)
        else:
            _log.info("enrolled", device=device.device_id, key_store=device.key_store)
            message = f"this machine is now {device.name} ({device.device_id})"
            facts = {"device_id": device.device_id, "name": device.name, "key_store": device.key_store}
            report = StepReport(step=Step.CODE, state=StepState.OK, code="accepted", message=message, facts=facts)
        steps.append(report)
        _tell(call, report)
        return device

    async def _reach_broker(self, device: EnrolledDevice) -> StepReport:
        """Connect once with the new account; a broker out of reach does not undo the enrolment."""
        data = self._parts.data
        facts = {"host": device.host, "port": device.tls_port or device.port, "is_tls": device.tls_port is not None}
        try:
            key = await asyncio.to_thread(
                load_secret, data, device.device_id, KeyStore(device.key_store), Secret.API_KEY
            )
            await self._connect_once(device.endpoint(data, key), device.device_id)
        except NotAuthorizedError as error:
            code, message = "not_authorized", f"the broker does not let this device in yet: {error}"
        except (MqttError, OSError) as error:
            code, message = "not_reachable", f"the broker was not reached: {error}"
        except Exception as error:  # noqa: BLE001 # the enrolment stands, whatever is wrong with this look
            _log.warning("broker_not_looked_at", reason=str(error))
            code, message = "not_reachable", f"the broker could not be looked at: {error}"
        else:
            message = f"the broker at {device.host} lets this device in"
            return StepReport(step=Step.BROKER, state=StepState.OK, code="reached", message=message, facts=facts)
        return StepReport(
            step=Step.BROKER, state=StepState.WARNING, code=code, message=message, advice=_BROKER_ADVICE, facts=facts
        )

    async def _connect_once(self, endpoint: MqttEndpoint, client_id: str) -> None:
        """Connect and go. Raises MqttError, OSError. A new account may reach the broker a little after its answer."""
        for attempt in range(BROKER_ATTEMPTS):
            try:
                session = await MqttSession.connect(
                    endpoint, client_id=client_id, on_message=lambda _: None, timeout=BROKER_SECONDS
                )
            except NotAuthorizedError:
                if attempt == BROKER_ATTEMPTS - 1:
                    raise
                await self._parts.clock.sleep(BROKER_PAUSE_SECONDS)
            else:
                await session.disconnect()
                return


class AwaitingTeller:
    """Tells windows of an agent that waits: how it stands, once."""

    def __init__(self, desk: AwaitingDesk) -> None:
        self._desk = desk

    def entered(self, window: Window) -> None:
        """Tell a new window how it stands."""
        window.post(EventName.STATE, self._desk.status())

    async def run(self, windows: set[Window]) -> None:
        """Nothing else happens by itself."""
        await asyncio.Event().wait()


def awaiting_hall(parts: AwaitingParts) -> WindowHall:
    """Return the hall of an agent that waits to be enrolled."""
    desk = AwaitingDesk(parts)
    methods, started_ms = sorted(desk.handlers), int(parts.started * 1000)

    def greet(version: int) -> Welcome:
        return welcome(version, Mode.UNENROLLED, methods, started_ms)

    return WindowHall(desk, AwaitingTeller(desk), greet)


def _tell(call: Call, report: StepReport) -> None:
    call.window.post(EventName.STEP, StepEvent(request=call.id, report=report))


def _may_go_on(steps: list[StepReport]) -> bool:
    return all(report.state in (StepState.OK, StepState.WARNING) for report in steps)


def _failed_code(code: str, message: str, advice: str) -> StepReport:
    return StepReport(step=Step.CODE, state=StepState.FAILED, code=code, message=message, advice=advice)


@contextmanager
def _authority(pem: str | None) -> Iterator[Path | None]:
    """Hold the authority's certificate in a file for as long as it is looked at."""
    if not pem:
        yield None
        return
    descriptor, name = tempfile.mkstemp(prefix="pulse-authority-", suffix=".pem")
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(pem)
        yield path
    finally:
        path.unlink(missing_ok=True)
