"""Which ports a stack uses: those asked for, else those of its last start, else the usual ones, else any free one.

Ports stay the same over restarts as long as nobody else took them, because enrolled devices remember them. Stacks
starting at the same moment do not choose the same port: each holds a lock on those it took, for as long as it lives.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path

from pulse_local.ports import free_ports, is_free, require_free

_USUAL = {"gateway": 8080, "mqtt": 1883, "mqtt_tls": 8883}


@dataclass(frozen=True, slots=True)
class WantedPorts:
    """Ports given by the operator; None where any will do."""

    gateway: int | None = None
    mqtt: int | None = None


@dataclass(slots=True)
class PortClaims:
    """Locks on ports, shared by all stacks of this machine; released when this process ends."""

    directory: Path = field(default_factory=lambda: Path(tempfile.gettempdir()) / "pulse-ports")
    _held: ExitStack = field(default_factory=ExitStack)

    def claim(self, port: int) -> bool:
        """Take the port's lock; False when another stack has it."""
        self.directory.mkdir(mode=0o777, exist_ok=True)
        if self.directory.stat().st_uid == os.getuid():
            self.directory.chmod(0o1777)
        path = self.directory / str(port)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError:  # Another user's, or no plain file: not ours to take.
            return False
        lock: TextIOWrapper = os.fdopen(descriptor, "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._held.enter_context(lock)
        return True

    def release(self) -> None:
        """Give all ports back."""
        self._held.close()


def _remembered(path: Path) -> dict[str, int]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): int(port) for name, port in held.items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}


def choose_ports(names: Iterable[str], wanted: WantedPorts, memory: Path, claims: PortClaims) -> dict[str, int]:
    """Return a port for each name and remember them; raises PortTakenError for one that was asked for and is taken."""
    asked = {"gateway": (wanted.gateway, "--port"), "mqtt": (wanted.mqtt, "--mqtt-port")}
    remembered = _remembered(memory)
    chosen: dict[str, int] = {}
    for name in names:
        port, option = asked.get(name, (None, ""))
        if port is not None:
            chosen[name] = require_free(port, name, option)
            claims.claim(port)
            continue
        candidates = (remembered.get(name), _USUAL.get(name))
        chosen[name] = next(
            (port for port in candidates if port and _may_take(port, chosen, claims)), None
        ) or _any_port(chosen, claims)
    memory.write_text(json.dumps(chosen), encoding="utf-8")
    return chosen


def _may_take(port: int, chosen: dict[str, int], claims: PortClaims) -> bool:
    return port not in chosen.values() and is_free(port) and claims.claim(port)


def _any_port(chosen: dict[str, int], claims: PortClaims) -> int:
    while True:
        (port,) = free_ports(1)
        if port not in chosen.values() and claims.claim(port):
            return port
