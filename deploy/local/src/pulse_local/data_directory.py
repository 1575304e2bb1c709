"""The directory `.pulse`: where everything of one stack lies, who may use it, and for which layout it was made.

One supervisor at a time: an advisory lock that the kernel drops when its holder dies, however it dies. A directory that
cannot be used is refused with a typed error before anything in it is touched.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pulse_local.errors import StackError, UnusableDataError
from pulse_local.servers.postgres import MAJOR_VERSION, short_socket_directory

LAYOUT = 1
"""Raised when the directory's layout changes in a way that an older `pulse` would misread."""

LEAST_FREE_BYTES = 512 * 1024 * 1024
"""Below this PostgreSQL's own write-ahead log may not fit, and a full disk stops it in the middle of the day."""

DEFAULT = Path(".pulse")


class StackBusyError(StackError):
    """Another supervisor holds the directory."""


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The paths of one stack's files. `root` is absolute."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> DataDirectory:
        """Return the layout below `path`."""
        return cls(path.expanduser().resolve())

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data."""
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        """Valkey's append-only file and configuration."""
        return self.root / "valkey"

    @property
    def mosquitto(self) -> Path:
        """The broker's accounts, certificates, configuration and store."""
        return self.root / "mosquitto"

    @property
    def run(self) -> Path:
        """What describes the running stack: lock, state, ports."""
        return self.root / "run"

    @property
    def sockets(self) -> Path:
        """Unix sockets; elsewhere when the path would be too long for one."""
        return short_socket_directory(self.root / "run" / "sockets")

    @property
    def logs(self) -> Path:
        """One log per part."""
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        """What only the owner may read."""
        return self.root / "secrets"

    @property
    def demo(self) -> Path:
        """What `pulse demo` keeps of its own devices."""
        return self.root / "demo"

    @property
    def releases(self) -> Path:
        """A desktop release that is offered to agents, where somebody put one (`pulse releases sign`)."""
        return self.root / "releases"

    @property
    def stack_file(self) -> Path:
        """Addresses and credentials of the running stack."""
        return self.root / "stack.json"

    @property
    def state_file(self) -> Path:
        """What the supervisor knows of each part."""
        return self.run / "state.json"

    @property
    def ports_file(self) -> Path:
        """The ports of the last start, taken again so that enrolled devices find the stack."""
        return self.run / "ports.json"

    def log(self, part: str) -> Path:
        """Return the log of a part."""
        return self.logs / f"{part}.log"

    def open(self) -> None:
        """Create what is missing; raises UnusableDataError when the directory cannot serve."""
        marker = self.root / "layout.json"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            # Servers may run as users of their own and must pass through; what is inside decides who reads it.
            for directory, mode in ((self.root, 0o755), (self.run, 0o755), (self.logs, 0o700), (self.secrets, 0o700)):
                directory.mkdir(exist_ok=True)
                directory.chmod(mode)
            probe = self.run / ".writable"
            probe.write_bytes(b"1")
            probe.unlink()
        except OSError as error:
            raise UnusableDataError(
                "data_not_writable",
                f"The data directory {self.root} cannot be written: {error.strerror}.",
                "Give a directory of your own with --data, or mend its permissions.",
            ) from error
        self._require_space()
        self._require_layout(marker)

    def _require_space(self) -> None:
        free = shutil.disk_usage(self.root).free
        if free < LEAST_FREE_BYTES:
            raise UnusableDataError(
                "disk_nearly_full",
                f"Only {free // 2**20} MiB are free on the disk of {self.root}; {LEAST_FREE_BYTES // 2**20} are needed.",
                "Free some space, or give a directory on another disk with --data.",
            )

    def _require_layout(self, marker: Path) -> None:
        try:
            layout = int(json.loads(marker.read_text(encoding="utf-8"))["layout"])
        except FileNotFoundError:
            marker.write_text(json.dumps({"layout": LAYOUT, "postgresql": MAJOR_VERSION}), encoding="utf-8")
            return
        except (ValueError, KeyError, TypeError):
            layout = 0
        if layout != LAYOUT:
            raise UnusableDataError(
                "other_layout",
                f"{self.root} was made by another version of PrecisionPulse (layout {layout}, this one has {LAYOUT}).",
                "Use the version that made it, or give another directory with --data.",
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory as its only supervisor; raises StackBusyError when another one does."""
        with (self.run / "supervisor.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StackBusyError("stack_running", f"A stack already runs on {self.root}.") from error
            yield

    def is_locked(self) -> bool:
        """Say whether a supervisor holds the directory now."""
        try:
            descriptor = os.open(self.run / "supervisor.lock", os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False
