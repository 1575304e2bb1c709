"""Looks for a newer release at the start and daily, tells whoever asks, and downloads one when a person wants it.

Guarantees: a server that is away is no error, and is asked again within two hours; one look and one download at a time;
a download that is cut goes on by itself, also after a restart of the agent if it is asked for again; nothing is
installed, and nothing is run. Light: what believes and downloads is imported when there is something to believe.
"""

from __future__ import annotations

import asyncio
import http.client
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pulse_agent.configuration.device import EnrolledDevice, write_private
from pulse_agent.configuration.server_http import ServerUnreachableError, request
from pulse_agent.settings import agent_version
from pulse_agent.updates.problems import Problem, UpdateError
from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_chassis.signatures import TrustedKeys

if TYPE_CHECKING:
    from pulse_agent.updates.download import Progress
    from pulse_contracts.releases import ReleaseFile, ReleaseManifest

OFF: Final = "off"
DOWNLOAD: Final = "download"
BELIEVED_FILE: Final = "release.jws"
"""The newest manifest that was believed: it is shown without a network, and nothing older counts any more."""
MANIFEST_PATH: Final = "/api/releases/manifest"
FIRST_SECONDS: Final = (10.0, 120.0)
DAY_SECONDS: Final = (0.9 * 86_400, 1.1 * 86_400)
AGAIN_SECONDS: Final = (3_600.0, 7_200.0)
"""Drawn from these, so that a fleet that was switched on together does not ask together."""
RETRY_FIRST_SECONDS: Final = 5.0
RETRY_CEILING_SECONDS: Final = 300.0
_SETTLED: Final = frozenset({None, Problem.NOT_OFFERED, Problem.NO_KEYS})

_log = get_logger("updates")


@dataclass(frozen=True, slots=True)
class UpdaterPlan:
    """Where releases come from, whom to believe (None: nobody), what runs now, and where files go (None: downloads)."""

    data: Path
    device: EnrolledDevice
    keys: TrustedKeys | None
    clock: Clock
    mode: str = DOWNLOAD
    folder: Path | None = None
    version: str = field(default_factory=agent_version)
    rng: random.Random = field(default_factory=random.Random)


@dataclass(slots=True)
class FileOnItsWay:
    """A download: `path` once it is there, `problem` why it stands or ended."""

    file: ReleaseFile
    progress: Progress
    is_running: bool = True
    path: Path | None = None
    problem: Problem | None = None
    detail: str = ""


class Updater:
    """What is known of releases; its attributes are read by whoever shows it."""

    def __init__(self, plan: UpdaterPlan) -> None:
        self._plan = plan
        self.mode = plan.mode
        self.is_checking = False
        self.checked_at: float | None = None
        self.believed: ReleaseManifest | None = None
        self.problem: Problem | None = None if plan.keys else Problem.NO_KEYS
        self.detail = ""
        self.download: FileOnItsWay | None = None
        self._looking = asyncio.Lock()
        self._remembered = False
        self._turned = asyncio.Event()
        self._downloading: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[], None]] = []

    # -- use --------------------------------------------------------------------------------------------------------

    @property
    def newer(self) -> ReleaseManifest | None:
        """The release that is newer than this program; None: none is known, or nobody is to be told."""
        if self.believed is None or self.mode == OFF:
            return None
        from pulse_agent.updates.belief import is_newer

        is_good = self.believed.expires_at > self._plan.clock.now().timestamp()
        return self.believed if is_good and is_newer(self.believed, self._plan.version) else None

    @property
    def file(self) -> ReleaseFile | None:
        """The file of the newer release for this machine; None: there is none."""
        newer = self.newer
        if newer is None:
            return None
        from pulse_agent.updates.belief import file_for
        from pulse_agent.updates.machine import this_machine, this_platform

        return file_for(newer, this_platform(), this_machine())

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener` called when something here says something else; progress is to be looked at."""
        self._listeners.append(listener)

    def turn(self, mode: str) -> None:
        """Do no more, or no less, than `mode` says from now on."""
        self.mode = mode
        if mode != DOWNLOAD:
            self.cancel()
        self._turned.set()
        self._tell()

    async def check(self) -> None:
        """Look for a release now, unless that is turned off."""
        if self.mode == OFF or self._plan.keys is None:
            return
        async with self._looking:
            await self._remember()
            self.is_checking = True
            self._tell()
            before, self.problem, self.detail = self.problem, None, ""
            try:
                token = await asyncio.to_thread(self._ask)
                await self._believe(token)
            except UpdateError as error:
                self.problem, self.detail = error.problem, str(error)
                log = (
                    _log.debug if error.problem in {before, Problem.UNREACHABLE, Problem.NOT_OFFERED} else _log.warning
                )
                log("release_not_believed", problem=error.problem.value, reason=str(error))
            finally:
                self.is_checking = False
                self._tell()

    def start_download(self) -> bool:
        """Begin to download the file of the newer release, or go on; False: there is none, or it is not allowed."""
        file = self.file
        if file is None or self.mode != DOWNLOAD:
            return False
        if self._downloading is None or self._downloading.done():
            from pulse_agent.updates.download import Progress

            self.download = FileOnItsWay(file, Progress())
            self._downloading = asyncio.create_task(self._fetch(self.download), name="update download")
            self._tell()
        return True

    def cancel(self) -> None:
        """End a download; what has come is kept, and used if it is begun again."""
        if self.download is not None and self.download.is_running:
            self.download.progress.cancel()
            if self._downloading is not None:
                self._downloading.cancel()
            self.download = None
            self._tell()

    # -- life -------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Look now and then until `stop`."""
        stopping = asyncio.create_task(stop.wait())
        wait = self._plan.rng.uniform(*FIRST_SECONDS)
        await self._remember()
        try:
            while not stopping.done():
                await self._wait(wait, stopping)
                if stopping.done():
                    break
                await self.check()
                wait = self._plan.rng.uniform(*(DAY_SECONDS if self.problem in _SETTLED else AGAIN_SECONDS))
        finally:
            stopping.cancel()
            self.cancel()

    async def _wait(self, seconds: float, stopping: asyncio.Task[bool]) -> None:
        """Wait this long; less when updates are turned on."""
        self._turned.clear()
        was_off = self.mode == OFF
        sleeping = asyncio.ensure_future(self._plan.clock.sleep(seconds))
        try:
            while not stopping.done() and not sleeping.done():
                turned = asyncio.ensure_future(self._turned.wait())
                await asyncio.wait({stopping, sleeping, turned}, return_when=asyncio.FIRST_COMPLETED)
                turned.cancel()
                self._turned.clear()
                if was_off and self.mode != OFF:
                    return
        finally:
            sleeping.cancel()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    async def _remember(self) -> None:
        """Take up what was believed before this process began; a key that is not trusted any more has no say."""
        if self._remembered or self._plan.keys is None:
            return
        self._remembered = True
        self.believed = await asyncio.to_thread(_read_believed, self._plan.data / BELIEVED_FILE, self._plan.keys)
        self._tell()

    def _ask(self) -> bytes:
        device = self._plan.device
        try:
            answer = request("GET", device.server_url, MANIFEST_PATH, None, device.server_ca(self._plan.data))
        except ServerUnreachableError as error:
            raise UpdateError(Problem.UNREACHABLE, str(error)) from error
        if answer.status == http.client.OK:
            return answer.body.strip()
        is_none = answer.status == http.client.NOT_FOUND
        raise UpdateError(
            Problem.NOT_OFFERED if is_none else Problem.UNREACHABLE, f"the server answered {answer.status}"
        )

    async def _believe(self, token: bytes) -> None:
        from pulse_agent.updates.belief import believed

        now = self._plan.clock.now().timestamp()
        if self._plan.keys is None:
            return
        manifest = await asyncio.to_thread(believed, token, self._plan.keys, self.believed, now)
        self.checked_at = now
        if manifest != self.believed:
            path = self._plan.data / BELIEVED_FILE
            try:
                await asyncio.to_thread(write_private, path, token.decode("ascii"))
            except OSError as error:
                raise UpdateError(Problem.NOT_WRITTEN, f"{path}: {error}") from error
            _log.info("release_found", version=manifest.version, running=self._plan.version)
            self.believed = manifest

    async def _fetch(self, download: FileOnItsWay) -> None:
        """Download until the file is there, or it makes no sense."""
        from pulse_agent.updates.download import FileDownload
        from pulse_agent.updates.machine import downloads_folder

        device = self._plan.device
        folder = self._plan.folder or downloads_folder()
        work = FileDownload(device.server_url, device.server_ca(self._plan.data), download.file, folder)
        backoff = Backoff(RETRY_FIRST_SECONDS, RETRY_CEILING_SECONDS)
        while download.is_running:
            had = download.progress.received
            try:
                download.path = await asyncio.to_thread(work.run, download.progress)
                download.problem, download.detail, download.is_running = None, "", False
                _log.info("release_downloaded", file=str(download.path))
            except UpdateError as error:
                download.problem, download.detail = error.problem, str(error)
                download.is_running = error.problem is Problem.UNREACHABLE
                if not download.is_running:
                    _log.warning("release_not_downloaded", problem=error.problem.value, reason=str(error))
            self._tell()
            if download.is_running:
                if download.progress.received > had:
                    backoff.reset()
                await self._plan.clock.sleep(backoff.next_delay())


def _read_believed(path: Path, keys: TrustedKeys) -> ReleaseManifest | None:
    from pulse_agent.updates.belief import opened

    try:
        return opened(path.read_bytes().strip(), keys)
    except (OSError, UpdateError):
        return None
