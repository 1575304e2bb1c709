"""`updates.*`: what is known of newer releases, looking now, and downloading one."""

from __future__ import annotations

from collections.abc import Mapping

from pulse_agent.local_protocol.calls import Call, CallRefusedError, Handler
from pulse_agent.updates.machine import this_platform
from pulse_agent.updates.updater import DOWNLOAD, FileOnItsWay, Updater
from pulse_contracts.local_protocol import ErrorCode
from pulse_contracts.local_status import NoParams
from pulse_contracts.local_updates import Update, UpdateDownload, UpdateMode, UpdateStatus


def update_methods(updater: Updater) -> Mapping[str, Handler]:
    """Return the methods on updates."""

    async def check(_call: Call, _: NoParams) -> UpdateStatus:
        await updater.check()
        return update_status(updater)

    async def download(_call: Call, _: NoParams) -> UpdateStatus:
        if updater.mode != DOWNLOAD:
            message = "whoever administers this machine installs its updates"
            raise CallRefusedError(ErrorCode.MANAGED, message)
        if not updater.start_download():
            raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no newer release for this machine")
        return update_status(updater)

    async def cancel(_call: Call, _: NoParams) -> UpdateStatus:
        updater.cancel()
        return update_status(updater)

    return {"updates.check": check, "updates.download": download, "updates.cancel": cancel}


def update_status(updater: Updater) -> UpdateStatus:
    """Return how updates stand, as windows show it."""
    return UpdateStatus(
        mode=UpdateMode(updater.mode),
        is_checking=updater.is_checking,
        checked_ms=None if updater.checked_at is None else int(updater.checked_at * 1000),
        available=_available(updater),
        problem=None if updater.problem is None else updater.problem.value,
        detail=updater.detail,
    )


def _available(updater: Updater) -> Update | None:
    newer = updater.newer
    if newer is None:
        return None
    file, download = updater.file, updater.download
    is_of_it = download is not None and file is not None and download.file == file
    return Update(
        version=newer.version,
        released_ms=newer.released_at * 1000,
        notes=dict(newer.notes),
        platform=this_platform(),
        name=None if file is None else file.name,
        size=None if file is None else file.size,
        download=_download(download) if download is not None and is_of_it else None,
    )


def _download(found: FileOnItsWay) -> UpdateDownload:
    return UpdateDownload(
        name=found.file.name,
        size=found.file.size,
        received=found.progress.received,
        is_running=found.is_running,
        path=None if found.path is None else str(found.path),
        problem=None if found.problem is None else found.problem.value,
        detail=found.detail,
    )
