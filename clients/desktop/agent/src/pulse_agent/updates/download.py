"""Downloads one file of a release: piece by piece, on from where it was cut, and kept only if it is what was signed.

Guarantees: under its own name there is only ever a whole file of the signed size and hash; what is too long, or is not
what was signed, is deleted; what came before a cut is kept beside it and used again. Blocking: for a thread.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from pulse_agent.configuration.server_http import ServerUnreachableError, connection_to
from pulse_agent.updates.problems import Problem, UpdateError
from pulse_contracts.releases import FILES_PATH

if TYPE_CHECKING:
    from pulse_contracts.releases import ReleaseFile

CHUNK_BYTES: Final = 256 * 1024


class Progress:
    """How far a download is, and the way to end it from another thread."""

    def __init__(self) -> None:
        self.received = 0
        self._is_cancelled = False
        self._connection: http.client.HTTPConnection | None = None
        self._lock = threading.Lock()

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._is_cancelled

    def cancel(self) -> None:
        """End it, also while it waits for the network."""
        with self._lock:
            self._is_cancelled = True
            connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def reading_from(self, connection: http.client.HTTPConnection | None) -> None:
        """Name the connection that `cancel` has to end."""
        with self._lock:
            self._connection = connection


class FileDownload:
    """One file, from the server at `url`, into `folder`."""

    def __init__(self, url: str, ca_file: Path | None, file: ReleaseFile, folder: Path) -> None:
        self._url = url
        self._ca_file = ca_file
        self._file = file
        self._target = folder / file.name
        self._part = folder / f".{file.name}.{file.sha256[:12]}.part"

    def run(self, progress: Progress) -> Path:
        """Download it; return where it is. Raises UpdateError: after `UNREACHABLE`, call it again to go on."""
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            if self._is_there():
                progress.received = self._file.size
                return self._target
            had = self._had()
            try:
                self._fetch(had, progress)
            except UpdateError as error:
                if error.problem is not Problem.WRONG_HASH or not had:
                    raise
                self._fetch(0, progress)  # what was kept from before may have been of another file
            self._part.replace(self._target)
        except OSError as error:
            raise UpdateError(Problem.NOT_WRITTEN, f"{self._target}: {error}") from error
        return self._target

    def _is_there(self) -> bool:
        if not self._target.is_file() or self._target.stat().st_size != self._file.size:
            return False
        with self._target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self._file.sha256

    def _had(self) -> int:
        size = self._part.stat().st_size if self._part.is_file() else 0
        return size if size <= self._file.size else 0

    def _fetch(self, had: int, progress: Progress) -> None:
        """Bring the part to its whole length, and check it. Raises UpdateError, OSError of the file."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(self._part, flags, 0o644), "r+b") as part:
            digest = hashlib.sha256()
            while chunk := part.read(CHUNK_BYTES) if part.tell() < had else b"":
                digest.update(chunk)
            part.truncate(had)
            progress.received = had
            if had < self._file.size:
                digest = self._receive(part, digest, progress)
            part.flush()
            os.fsync(part.fileno())
        if digest.hexdigest() != self._file.sha256:
            self._part.unlink()
            raise UpdateError(Problem.WRONG_HASH, f"{self._file.name} is not what was signed")

    def _receive(self, part: BinaryIO, digest: hashlib._Hash, progress: Progress) -> hashlib._Hash:
        size, had = self._file.size, progress.received
        answer, connection = self._ask(had, progress)
        try:
            if answer.status == http.client.OK and had:  # a server without ranges begins anew
                part.seek(0)
                part.truncate(0)
                digest, progress.received = hashlib.sha256(), 0
            while chunk := self._read(answer, progress):
                progress.received += len(chunk)
                if progress.received > size:
                    part.close()
                    self._part.unlink()
                    raise UpdateError(Problem.WRONG_SIZE, f"{self._file.name} is longer than {size} bytes")
                part.write(chunk)
                digest.update(chunk)
        finally:
            progress.reading_from(None)
            answer.close()  # it may hold the socket longer than the connection does
            connection.close()
        if progress.received < size:
            raise UpdateError(Problem.UNREACHABLE, f"the connection ended after {progress.received} of {size} bytes")
        return digest

    def _ask(self, had: int, progress: Progress) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        try:
            connection, prefix = connection_to(self._url, self._ca_file)
            headers = {"Range": f"bytes={had}-"} if had else {}
            progress.reading_from(connection)
            connection.request("GET", f"{prefix}{FILES_PATH}/{self._file.name}", headers=headers)
            answer = connection.getresponse()
        except (ServerUnreachableError, OSError, ValueError, http.client.HTTPException) as error:
            raise UpdateError(Problem.UNREACHABLE, str(error)) from error
        wanted = http.client.PARTIAL_CONTENT if had else http.client.OK
        if answer.status in {wanted, http.client.OK}:
            return answer, connection
        answer.close()
        connection.close()
        if answer.status == http.client.NOT_FOUND:
            raise UpdateError(Problem.NOT_OFFERED, f"the server has no {self._file.name}")
        raise UpdateError(Problem.UNREACHABLE, f"the server answered {answer.status}")

    @staticmethod
    def _read(answer: http.client.HTTPResponse, progress: Progress) -> bytes:
        if progress.is_cancelled:
            raise UpdateError(Problem.UNREACHABLE, "cancelled")
        try:
            return answer.read(CHUNK_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UpdateError(Problem.UNREACHABLE, str(error)) from error
