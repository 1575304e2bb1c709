"""A fresh Debian 12 beside this one: its own files, processes, network and loopback, in which the usual ports are free.

It has what the smallest Debian has (`mmdebstrap --variant=minbase`), `sudo`, and a person. Of this machine it gets the way to
the package registries (name servers, certificates, the settings of apt and pip), and nothing else: no cache, no checkout.
Needs root, mmdebstrap, slirp4netns, and memory for its files. All of it is gone after `close()`, also what was left running.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TextIO

TOOLS = ("mmdebstrap", "slirp4netns", "unshare", "nsenter")
SUITE = "bookworm"
WITH = "ca-certificates,sudo,iproute2"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
TRUSTED_BY = ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
READY_SECONDS = 120
NAME = "fresh"
FILES_GIB = 7
LEFT_FOR_PROGRAMS_GIB = 2
STARTED = f"""
mount --make-rprivate / && mount -t tmpfs -o size={FILES_GIB}G,mode=755 tmpfs "$0" && tar -C "$0" -xf "$1" &&
mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" && mount --rbind /dev "$0/dev" &&
mount -t tmpfs tmpfs "$0/dev/shm" && mount -t tmpfs tmpfs "$0/run" && echo {NAME} >/proc/sys/kernel/hostname &&
ip link set lo up && exec chroot "$0" sleep infinity
"""


class ImpossibleError(Exception):
    """This machine cannot make another one; the message says what it lacks."""


def require() -> None:
    """Raise ImpossibleError unless a machine can be made here."""
    if os.geteuid() != 0:
        raise ImpossibleError("A fresh machine needs root: it is a chroot with namespaces of its own.")
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    memory = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    if memory is None or int(memory[1]) < (FILES_GIB + LEFT_FOR_PROGRAMS_GIB) * 1024**2:
        raise ImpossibleError(f"A fresh machine needs {FILES_GIB + LEFT_FOR_PROGRAMS_GIB} GiB of free memory.")
    if lacking:
        raise ImpossibleError(f"Not installed: {', '.join(lacking)}. On Debian: apt-get install mmdebstrap slirp4netns")


class FreshMachine:
    """A running machine. `kept` is where the archive of the smallest Debian stays for the next one."""

    def __init__(self, kept: Path, person: str) -> None:
        require()
        self._kept = kept
        self.person = person
        self._root = Path(tempfile.mkdtemp(prefix="pulse-fresh-"))
        self._processes: list[subprocess.Popen[bytes]] = []
        self._pid = 0
        self.log: TextIO | None = None

    def __enter__(self) -> FreshMachine:
        try:
            self._start(self._archive())
            self._introduce()
            self._connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything in it and remove it."""
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        self._processes.clear()
        self._root.rmdir()

    @property
    def home(self) -> str:
        """The person's folder, as seen in the machine."""
        return "/root" if self.person == "root" else f"/home/{self.person}"

    def inside(self, path: str) -> Path:
        """Return where a path of the machine is on this one."""
        return Path(f"/proc/{self._pid}/root", path.lstrip("/"))

    def command(
        self, arguments: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None
    ) -> list[str]:
        """Return what runs a command in it, as the person and with the person's environment."""
        own = {"PATH": PATH, "HOME": self.home, "USER": self.person, "LANG": "C.UTF-8", "COLUMNS": "120"}
        variables = own | dict.fromkeys(TRUSTED_BY, CERTIFICATES) | dict(env or {})
        enter = ["nsenter", "-t", str(self._pid), "--net", "--mount", "--pid", "--uts", "--root", "--wd=/"]
        return [
            *enter, "setpriv", f"--reuid={self.person}", f"--regid={self.person}", "--init-groups",
            "env", "-i", "-C", cwd or self.home, *(f"{name}={value}" for name, value in variables.items()), *arguments,
        ]  # fmt: skip

    def _archive(self) -> Path:
        """Return the smallest Debian, made at the first time."""
        archive = self._kept / f"{SUITE}.tar"
        if not archive.exists():
            self._kept.mkdir(parents=True, exist_ok=True)
            made = self._kept / f"{SUITE}.new.tar"
            subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={WITH}", SUITE, made], check=True)
            made.rename(archive)
        return archive

    def _introduce(self) -> None:
        """Give it a name, the way to the registries, and its person."""
        self.inside("/etc/hostname").write_text(f"{NAME}\n", encoding="utf-8")
        self.inside("/etc/hosts").write_text(f"127.0.0.1 localhost {NAME}\n", encoding="utf-8")
        shutil.copy("/etc/resolv.conf", self.inside("/etc/resolv.conf"))
        shutil.copy(CERTIFICATES, self.inside(CERTIFICATES))
        for settings in Path("/etc/apt/apt.conf.d").iterdir():
            if "Acquire::" in settings.read_text(encoding="utf-8"):
                shutil.copy(settings, self.inside("/etc/apt/apt.conf.d"))
        if Path("/etc/pip.conf").exists():
            shutil.copy("/etc/pip.conf", self.inside("/etc/pip.conf"))
        if self.person != "root":
            subprocess.run(["chroot", self.inside("/"), "useradd", "-m", "-s", "/bin/bash", self.person], check=True)
            rule = f"{self.person} ALL=(ALL) NOPASSWD: ALL\n"
            self.inside(f"/etc/sudoers.d/{self.person}").write_text(rule, encoding="utf-8")
        self.inside(f"{self.home}/.npmrc").write_text(f"cafile={CERTIFICATES}\n", encoding="utf-8")

    def _start(self, archive: Path) -> None:
        own = ["unshare", "--net", "--mount", "--pid", "--uts", "--fork", "--kill-child", "sh", "-c"]
        first = subprocess.Popen([*own, STARTED, self._root, archive])
        self._processes.append(first)
        self._pid = self._first_process(first)

    def _connect(self) -> None:
        network = ["slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=1"]
        slirp = subprocess.Popen([*network, str(self._pid), "tap0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._processes.append(slirp)
        assert slirp.stdout is not None
        if not slirp.stdout.read(1):
            raise ImpossibleError("slirp4netns does not run here: the machine would have no network.")

    def _first_process(self, first: subprocess.Popen[bytes]) -> int:
        """Wait until the machine's first process is in its own files, and return its number here."""
        deadline = time.monotonic() + READY_SECONDS
        children = Path(f"/proc/{first.pid}/task/{first.pid}/children")
        while True:
            if first.poll() is not None or time.monotonic() > deadline:
                raise ImpossibleError("This system allows no namespaces, or no mounts in them.")
            for child in children.read_text(encoding="ascii").split():
                if Path(f"/proc/{child}/root").resolve() == self._root:
                    return int(child)
            time.sleep(0.05)
