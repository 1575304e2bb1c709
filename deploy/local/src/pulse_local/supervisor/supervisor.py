"""Starts a whole stack in order, keeps it alive, tells its state, and stops it in reverse.

Servers first, then the database's roles and schemas, then every service's migrations, then the services; the stack
is ready when each part says so itself. Stopping goes the other way round: services drain while their servers still
answer. Whatever ends this process, its children end too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulse_local.data_directory import DataDirectory
from pulse_local.errors import StackError
from pulse_local.ports import LOOPBACK
from pulse_local.processes import ProcessMark
from pulse_local.readiness import is_ready
from pulse_local.servers.mosquitto import MosquittoServer, broker_user
from pulse_local.servers.postgres import OWNER_ROLE, PostgresServer
from pulse_local.servers.server import Server
from pulse_local.servers.valkey import ValkeyServer
from pulse_local.services import SERVICES, Profile, Service, StackPlan, service_process
from pulse_local.stack_file import AdminAccount, MqttAddress, ServiceAddress, StackFile
from pulse_local.stack_ports import PortClaims, WantedPorts, choose_ports
from pulse_local.stack_secrets import ADMIN_USERNAME, load_secrets
from pulse_local.supervisor.child import Blueprint, Child, run_once
from pulse_local.supervisor.leftovers import end_what_was_left
from pulse_local.supervisor.preflight import require_all
from pulse_local.supervisor.rotation import rotate_all
from pulse_local.supervisor.state import Failure, Phase, StackState
from pulse_local.system_user import server_user

_SERVER_PORTS = ("mqtt", "mqtt_tls", "valkey")  # PostgreSQL listens on a Unix socket only.
_SERVERS_READY_SECONDS = 120.0  # After a kill PostgreSQL replays its log first.
_MIGRATION_SECONDS = 120.0
_SERVICES_READY_SECONDS = 60.0
_ROTATION_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What the operator asked for."""

    data: Path
    ports: WantedPorts = field(default_factory=WantedPorts)
    profile: Profile = Profile.SECURE
    services: Sequence[Service] = SERVICES


class Supervisor:
    """One stack's life. Use `run`; read `state` and, once ready, `stack`."""

    def __init__(self, options: StackOptions, changed: Callable[[StackState], None] | None = None) -> None:
        self.options = options
        self.directory = DataDirectory.at(options.data)
        mark = ProcessMark.of(os.getpid())
        self.state = StackState(supervisor_pid=os.getpid(), supervisor_started=mark.started if mark else 0.0)
        self._tell = changed
        self._claims = PortClaims()
        self._servers: list[Child] = []
        self._services: list[Child] = []
        self._guests: list[Child] = []
        self._plan: StackPlan | None = None

    async def run(self, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
        """Hold the directory and run the stack until `stop` is set; sets `ready` when everything answers.

        Raises StackError when the stack cannot start; everything that was started is stopped first.
        """
        self.directory.open()
        with self.directory.locked():
            try:
                await self._start_unless(stop)
                if not stop.is_set():
                    self._enter(Phase.READY, "ready")
                    if ready is not None:
                        ready.set()
                    await self._keep(stop)
            except StackError as error:
                self.state.failure = Failure(
                    code=error.code, message=error.message, hint=error.hint, exit_code=int(error.exit_code)
                )
                raise
            finally:
                await self._stop_all()

    def add(self, blueprint: Blueprint) -> Child:
        """Supervise a guest, as the demo's devices are; guests are stopped before the stack itself."""
        return self._child(blueprint, self._guests)

    def _child(self, blueprint: Blueprint, group: list[Child]) -> Child:
        child = Child(blueprint, self.directory.log(blueprint.name), self._changed)
        group.append(child)
        return child

    @property
    def stack(self) -> StackFile:
        """The addresses and credentials of the running stack."""
        plan = self._require_plan()
        return StackFile(
            gateway_url=plan.url("gateway"),
            mqtt=MqttAddress(
                host=LOOPBACK,
                port=plan.mosquitto.port,
                tls_port=plan.mosquitto.tls_port,
                ca_file=str(plan.mosquitto.ca_file),
            ),
            database_url=plan.postgres.url(OWNER_ROLE),
            redis_url=plan.valkey.url(),
            # Read again: `pulse admin reset-password` changes it while the stack runs.
            admin=AdminAccount(username=ADMIN_USERNAME, password=load_secrets(self.directory.secrets).admin_password),
            services={
                child.part.name: ServiceAddress(url=plan.url(child.part.name), pid=child.last_pid)
                for child in self._services
            },
        )

    async def _start_unless(self, stop: asyncio.Event) -> None:
        """Start everything, but give up as soon as `stop` is set."""
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
        finally:
            starting.cancel()
            stopping.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)

    async def _start(self) -> None:
        # Before our own state replaces the file in which an earlier run named its processes.
        leftovers = await asyncio.to_thread(end_what_was_left, self.directory)
        if leftovers:
            self.state.notes.append(f"Ended what an earlier run left behind: {', '.join(leftovers)}.")
        self._enter(Phase.STARTING, "checking this machine")
        await asyncio.to_thread(require_all, self.directory, self.options.services)
        plan = self._plan = await asyncio.to_thread(self._make_plan)
        self._enter(Phase.STARTING, "starting PostgreSQL, Valkey and Mosquitto")
        for server in (plan.postgres, plan.valkey, plan.mosquitto):
            self._child(_server_blueprint(server), self._servers)
        await _all(child.until_ready(_SERVERS_READY_SECONDS) for child in self._servers)
        self._enter(Phase.STARTING, "preparing the database")
        await asyncio.to_thread(plan.postgres.bootstrap)
        self._enter(Phase.STARTING, "migrating the services' schemas")
        await _all(self._migrate(service, plan) for service in self.options.services if service.migrates)
        self._enter(Phase.STARTING, "starting the services")
        for service in self.options.services:
            self._child(_service_blueprint(service, plan), self._services)
        await _all(child.until_ready(_SERVICES_READY_SECONDS) for child in self._services)

    async def _migrate(self, service: Service, plan: StackPlan) -> None:
        spec = service_process(service, plan, "migrate")
        await run_once(spec, self.directory.log(service.name), _MIGRATION_SECONDS)

    def _make_plan(self) -> StackPlan:
        directory = self.directory
        secrets = load_secrets(directory.secrets)
        names = (*_SERVER_PORTS, *(service.name for service in self.options.services))
        ports = choose_ports(names, self.options.ports, directory.ports_file, self._claims)
        user = server_user()
        return StackPlan(
            directory=directory,
            profile=self.options.profile,
            secrets=secrets,
            ports=ports,
            postgres=PostgresServer(directory.postgres, directory.sockets, secrets.database_passwords, user),
            valkey=ValkeyServer(directory.valkey, ports["valkey"], secrets.valkey_password, user),
            mosquitto=MosquittoServer(
                directory.mosquitto, ports["mqtt"], ports["mqtt_tls"], secrets.broker, broker_user()
            ),
        )

    async def _keep(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_ROTATION_SECONDS):
                    await stop.wait()
            for child in self._all_children():
                child.raise_if_broken()
            await asyncio.to_thread(rotate_all, self.directory.logs)
            await asyncio.to_thread(self._require_plan().mosquitto.keep_accounts)

    async def _stop_all(self) -> None:
        self.directory.stack_file.unlink(missing_ok=True)
        self._enter(Phase.STOPPING, "stopping")
        # PostgreSQL is the first of the servers and the last to go.
        for group in (self._guests, self._services, self._servers[1:], self._servers[:1]):
            await asyncio.gather(*(child.stop() for child in group))
        if not self.directory.sockets.is_relative_to(self.directory.root):
            shutil.rmtree(self.directory.sockets, ignore_errors=True)
        self._claims.release()
        self._enter(Phase.FAILED if self.state.failure else Phase.STOPPED, "")

    def kill_all(self) -> None:
        """Kill every service at once, for the impatient; servers still stop in order, so that no data are lost."""
        for child in (*self._guests, *self._services):
            child.kill()

    def _enter(self, phase: Phase, step: str) -> None:
        if step != self.state.step:
            _log.info("stack_%s step=%s", phase.value, step)
        self.state.phase, self.state.step = phase, step
        self._changed()

    def _changed(self) -> None:
        self.state.parts = {child.part.name: child.part for child in self._all_children()}
        # In this order: whoever reads that the stack is ready finds the addresses.
        if self.state.phase is Phase.READY:
            self.stack.write(self.directory.stack_file)
        self.state.write(self.directory.state_file)
        if self._tell is not None:
            self._tell(self.state)

    def _all_children(self) -> list[Child]:
        return [*self._servers, *self._services, *self._guests]

    def _require_plan(self) -> StackPlan:
        if self._plan is None:
            raise StackError("not_planned", "The stack has not been started.")
        return self._plan


async def _all(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all at once; the first error ends the others and is raised by itself."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _server_blueprint(server: Server) -> Blueprint:
    return Blueprint(name=server.name, spec=server.spec, is_ready=server.is_ready, prepare=server.prepare)


def _service_blueprint(service: Service, plan: StackPlan) -> Blueprint:
    url = plan.url(service.name)
    return Blueprint(
        name=service.name,
        spec=lambda: service_process(service, plan, "serve"),
        is_ready=lambda: is_ready(url),
        url=url,
    )
