"""What must be true of the machine before anything is started, each as a typed error with its remedy."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pulse_local.data_directory import DataDirectory
from pulse_local.errors import MissingPartError, NotPermittedError
from pulse_local.servers import mosquitto, postgres, valkey
from pulse_local.services import Service
from pulse_local.system_user import server_user


@dataclass(frozen=True, slots=True)
class Check:
    """One question to the machine; `ask` returns what was found, or raises StackError."""

    name: str
    ask: Callable[[], str]


def checks(directory: DataDirectory, services: Iterable[Service]) -> list[Check]:
    """Return all checks, in the order in which a person would mend them."""
    return [
        Check("PostgreSQL", lambda: f"{postgres.MAJOR_VERSION}, {_program(postgres.binaries() / 'postgres')}"),
        Check("Valkey", lambda: _program(valkey.binary())),
        Check("Mosquitto", _mosquitto),
        Check("Services", lambda: _modules(services)),
        Check("User of the servers", _user),
        Check("Data directory", lambda: _directory(directory)),
    ]


def require_all(directory: DataDirectory, services: Iterable[Service]) -> None:
    """Raise the first thing that is wrong."""
    for check in checks(directory, services):
        check.ask()


def _program(path: Path) -> str:
    if not os.access(path, os.X_OK):
        raise MissingPartError("program_missing", f"{path} is missing or not executable.", "Run `make build` again.")
    return str(path)


def _mosquitto() -> str:
    found = mosquitto.find_mosquitto()
    return f"{'.'.join(map(str, found.version))}, {found.program}"


def _modules(services: Iterable[Service]) -> str:
    names = []
    for service in services:
        if importlib.util.find_spec(service.module) is None:
            raise MissingPartError(
                "service_missing", f"The package {service.module} is not installed.", "Run `make build`."
            )
        names.append(service.name)
    return ", ".join(names)


def _user() -> str:
    user = server_user()
    if user is None:
        return "yours"
    try:
        subprocess.run(["/bin/sh", "-c", ":"], check=True, user=user.uid, group=user.gid, extra_groups=[])
    except (PermissionError, subprocess.SubprocessError) as error:
        raise NotPermittedError(
            "cannot_switch_user",
            f"PostgreSQL does not run as root, and this system does not let root become {user.name}: {error}.",
            "Run `pulse` as an ordinary user.",
        ) from error
    return user.name


def _directory(directory: DataDirectory) -> str:
    directory.open()
    return str(directory.root)
