"""Which offers of a release are believed, and what a download leaves behind: a whole file that was signed, or none."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pulse_agent.configuration.device import EnrolledDevice
from pulse_agent.updates import machine, updater
from pulse_agent.updates.belief import believed, file_for, is_newer
from pulse_agent.updates.download import FileDownload, Progress
from pulse_agent.updates.machine import downloads_folder, this_machine, this_platform
from pulse_agent.updates.problems import Problem, UpdateError
from pulse_agent.updates.release_keys import release_keys
from pulse_agent.updates.updater import DOWNLOAD, OFF, Updater, UpdaterPlan
from pulse_chassis.clock import ManualClock
from pulse_chassis.signatures import SigningKey, TrustedKeys
from pulse_contracts.configuration import BUILT_IN_KEYS
from pulse_contracts.local_updates import UpdateMode, UpdateProblem
from pulse_contracts.releases import FILES_PATH, MANIFEST_PATH, RELEASE_TYPE, ReleaseFile, ReleaseManifest

KEY, NEXT_KEY = SigningKey.generate(), SigningKey.generate()
KEYS = TrustedKeys([KEY.public_jwk()])
NOW = 1_800_000_000
DAY = 86_400
CONTENT = random.Random(7).randbytes(700_000)
NAME = "precisionpulse_9.9.9_amd64.deb"
FILE = ReleaseFile(
    platform=this_platform(), machine="x86_64", name=NAME, size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest()
)


def manifest(**changes: Any) -> ReleaseManifest:
    fields: dict[str, Any] = {
        "version": "9.9.9", "released_at": NOW - DAY, "signed_at": NOW - DAY, "expires_at": NOW + DAY,
        "notes": {"en": "Better."}, "files": [FILE.model_copy(update={"machine": this_machine()})],
    }  # fmt: skip
    return ReleaseManifest(**{**fields, **changes})


def signed(offer: ReleaseManifest, key: SigningKey = KEY, token_type: str = RELEASE_TYPE) -> str:
    return key.sign(offer.model_dump_json().encode(), token_type)


def refused(token: str, before: ReleaseManifest | None = None, now: float = NOW, keys: TrustedKeys = KEYS) -> Problem:
    with pytest.raises(UpdateError) as found:
        believed(token, keys, before, now)
    return found.value.problem


# -- what is believed -------------------------------------------------------------------------------------------------


def test_a_release_that_a_built_in_key_signed_is_believed() -> None:
    assert believed(signed(manifest()), KEYS, None, NOW) == manifest()


def test_a_forged_release_is_not() -> None:
    header, payload, signature = signed(manifest()).split(".")
    text = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**text, "version": "10.0.0"}).encode()).rstrip(b"=").decode()
    assert refused(f"{header}.{forged}.{signature}") is Problem.BAD_SIGNATURE
    nobody = base64.urlsafe_b64encode(b'{"alg":"none","typ":"pulse-release+jws"}').rstrip(b"=").decode()
    assert refused(f"{nobody}.{payload}.") is Problem.BAD_SIGNATURE


def test_somebody_elses_key_and_a_signature_for_something_else_do_not_count() -> None:
    assert refused(signed(manifest(), NEXT_KEY)) is Problem.UNKNOWN_KEY
    for other in ("pulse-command+jws", "pulse-lease+jws"):
        assert refused(signed(manifest(), token_type=other)) is Problem.BAD_SIGNATURE


@pytest.mark.parametrize("token", ["", "a.b", "<html>not found</html>", "x" * 100_000, "..", "é.é.é"])
def test_what_is_no_manifest_is_not_believed(token: str) -> None:
    assert refused(token) is Problem.MALFORMED


def test_a_signed_text_that_is_no_manifest_is_malformed() -> None:
    assert refused(KEY.sign(b'{"version":"9.9.9"}', RELEASE_TYPE)) is Problem.MALFORMED


def test_an_expired_release_is_not_believed_and_a_clock_set_back_does_not_revive_it() -> None:
    old = manifest(expires_at=NOW)
    assert refused(signed(old)) is Problem.EXPIRED
    newest = manifest(signed_at=NOW + 5 * DAY, expires_at=NOW + 9 * DAY)
    short = manifest(version="9.9.10", signed_at=NOW, expires_at=NOW + DAY)
    assert refused(signed(short), before=newest, now=NOW - 30 * DAY) is Problem.EXPIRED


def test_an_older_release_than_one_that_was_believed_is_refused() -> None:
    before = manifest(version="9.10.0")
    assert refused(signed(manifest(version="9.9.9", signed_at=NOW)), before) is Problem.ROLLED_BACK
    same = manifest(version="9.10.0", signed_at=before.signed_at - 1)
    assert refused(signed(same), before) is Problem.ROLLED_BACK
    renewed = manifest(version="9.10.0", signed_at=before.signed_at + 1)
    assert believed(signed(renewed), KEYS, before, NOW) == renewed


def test_keys_change_while_both_are_trusted_and_the_old_one_then_ends() -> None:
    both = TrustedKeys([KEY.public_jwk(), NEXT_KEY.public_jwk()])
    new = TrustedKeys([NEXT_KEY.public_jwk()])
    for key in (KEY, NEXT_KEY):
        assert believed(signed(manifest(), key), both, None, NOW)
    assert refused(signed(manifest()), keys=new) is Problem.UNKNOWN_KEY


def test_only_a_higher_version_is_newer_and_a_file_is_for_one_kind_of_machine() -> None:
    assert [is_newer(manifest(version=v), "0.2.0") for v in ("0.1.9", "0.2.0", "0.2.1")] == [False, False, True]
    assert file_for(manifest(files=[FILE]), this_platform(), "riscv64") is None
    assert file_for(manifest(files=[FILE]), this_platform(), "x86_64") == FILE


def test_the_words_are_those_of_the_protocol_and_of_the_configuration() -> None:
    assert {problem.value for problem in Problem} == {problem.value for problem in UpdateProblem}
    assert [mode.value for mode in UpdateMode] == BUILT_IN_KEYS["updates.mode"].choices
    assert {OFF, DOWNLOAD} <= set(UpdateMode)
    assert updater.MANIFEST_PATH == MANIFEST_PATH


def test_the_keys_of_a_build_are_a_file_that_may_be_empty(tmp_path: Path) -> None:
    assert release_keys() is None, "the sources trust nobody"
    own = tmp_path / "keys.json"
    own.write_text(json.dumps({"keys": [KEY.public_jwk()]}))
    assert release_keys(own) is not None
    own.write_text("{}")
    assert release_keys(own) is None


def test_downloads_go_where_the_desktop_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert downloads_folder() == tmp_path / "Downloads"
    (tmp_path / ".config").mkdir()
    chosen = tmp_path / ".config" / "user-dirs.dirs"
    chosen.write_text('# made by xdg-user-dirs\nXDG_DOWNLOAD_DIR="$HOME/Heruntergeladen"\n')
    assert downloads_folder() == tmp_path / "Heruntergeladen"
    chosen.write_text('XDG_DOWNLOAD_DIR="/srv/files"\n')
    assert downloads_folder() == Path("/srv/files")
    monkeypatch.setattr(machine, "DPKG_LIST", chosen)
    assert this_platform() == "linux-deb"


# -- a server ---------------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """`cut_after`: a download ends after so many bytes, once. `asked`: the range of each download."""

    url: str = ""
    token: str = ""
    content: bytes = CONTENT
    has_ranges: bool = True
    cut_after: int | None = None
    asked: list[str | None] = field(default_factory=list)
    looks: int = 0

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == MANIFEST_PATH:
            self.looks += 1
            handler.send_response(200 if self.token else 404)
            handler.send_header("Content-Length", str(len(self.token)))
            handler.end_headers()
            handler.wfile.write(self.token.encode())
        elif handler.path == f"{FILES_PATH}/{NAME}":
            self._give_file(handler)
        else:
            handler.send_error(404)

    def _give_file(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers["Range"]
        self.asked.append(wanted)
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.has_ranges else 0
        handler.send_response(206 if first else 200)
        handler.send_header("Content-Length", str(len(self.content) - first))
        handler.end_headers()
        cut, self.cut_after = self.cut_after, None
        handler.wfile.write(self.content[first : None if cut is None else first + cut])


@pytest.fixture
def server() -> Iterator[Server]:
    world = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            world.answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Http(ThreadingHTTPServer):
        daemon_threads = False  # so that closing waits for answers under way

    with Http(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        world.url = f"http://127.0.0.1:{http.server_port}"
        yield world
        http.shutdown()
        thread.join()


# -- downloads --------------------------------------------------------------------------------------------------------


def failed(work: FileDownload, progress: Progress | None = None) -> Problem:
    with pytest.raises(UpdateError) as found:
        work.run(progress or Progress())
    return found.value.problem


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_is_kept_under_its_name_and_not_fetched_twice(server: Server, tmp_path: Path) -> None:
    folder, progress = tmp_path / "Downloads", Progress()
    path = FileDownload(server.url, None, FILE, folder).run(progress)
    assert path.read_bytes() == CONTENT
    assert progress.received == len(CONTENT)
    assert left(folder) == [NAME]
    FileDownload(server.url, None, FILE, folder).run(Progress())
    assert server.asked == [None]


def test_a_download_that_was_cut_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.cut_after = 300_000
    work = FileDownload(server.url, None, FILE, tmp_path)
    assert failed(work) is Problem.UNREACHABLE
    assert NAME not in left(tmp_path), "never half a file under its own name"
    assert work.run(Progress()).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]
    assert left(tmp_path) == [NAME]


def test_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    server.cut_after, server.has_ranges = 300_000, False
    work = FileDownload(server.url, None, FILE, tmp_path)
    assert failed(work) is Problem.UNREACHABLE
    assert work.run(Progress()).read_bytes() == CONTENT


def test_a_file_that_was_changed_is_deleted(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    assert failed(FileDownload(server.url, None, FILE, tmp_path)) is Problem.WRONG_HASH
    assert left(tmp_path) == []


def test_a_file_that_does_not_end_is_not_taken(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT + b"x"
    assert failed(FileDownload(server.url, None, FILE, tmp_path)) is Problem.WRONG_SIZE
    assert left(tmp_path) == []


def test_a_rotten_beginning_costs_a_download_and_not_the_file(server: Server, tmp_path: Path) -> None:
    work = FileDownload(server.url, None, FILE, tmp_path)
    (tmp_path / f".{NAME}.{FILE.sha256[:12]}.part").write_bytes(b"rotten")
    assert work.run(Progress()).read_bytes() == CONTENT
    assert server.asked == ["bytes=6-", None]


def test_what_is_not_there_and_where_nothing_can_be_written_is_said(server: Server, tmp_path: Path) -> None:
    gone = FILE.model_copy(update={"name": "precisionpulse_9.9.9_arm64.deb"})
    assert failed(FileDownload(server.url, None, gone, tmp_path)) is Problem.NOT_OFFERED
    (tmp_path / "file").touch()
    assert failed(FileDownload(server.url, None, FILE, tmp_path / "file")) is Problem.NOT_WRITTEN
    cancelled = Progress()
    cancelled.cancel()
    assert failed(FileDownload(server.url, None, FILE, tmp_path), cancelled) is Problem.UNREACHABLE


# -- the updater ------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.fromtimestamp(NOW, UTC))


@pytest.fixture
def make(server: Server, tmp_path: Path, clock: ManualClock) -> Callable[..., Updater]:
    def one(*, keys: TrustedKeys | None = KEYS, mode: str = DOWNLOAD, url: str | None = None) -> Updater:
        device = EnrolledDevice("D-1", "Desk 1", url or server.url, "127.0.0.1", 1883, None, None, "file")
        folder = tmp_path / "Downloads"
        return Updater(UpdaterPlan(tmp_path, device, keys, clock, mode, folder, "0.1.0", random.Random(1)))

    return one


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_release_is_found_and_still_known_without_a_network(
    server: Server, make: Callable[..., Updater]
) -> None:
    server.token = signed(manifest())
    first = make()
    await first.check()
    assert (first.newer, first.problem, first.checked_at) == (manifest(), None, NOW)
    later = make(url="http://127.0.0.1:9")
    await later.check()
    assert (later.newer, later.problem) == (manifest(), Problem.UNREACHABLE)


async def test_an_old_release_is_refused_after_a_restart_too(server: Server, make: Callable[..., Updater]) -> None:
    server.token = signed(manifest(version="9.10.0"))
    await make().check()
    server.token = signed(manifest(signed_at=NOW))
    again = make()
    await again.check()
    assert again.problem is Problem.ROLLED_BACK
    assert again.newer is not None
    assert again.newer.version == "9.10.0"


async def test_a_key_that_ended_has_no_say_any_more(server: Server, make: Callable[..., Updater]) -> None:
    """Else whoever stole it could keep a fleet from every release by one with a very high number."""
    server.token = signed(manifest(version="999.0.0"))
    await make().check()
    server.token = signed(manifest(), NEXT_KEY)
    rotated = make(keys=TrustedKeys([NEXT_KEY.public_jwk()]))
    await rotated.check()
    assert (rotated.newer, rotated.problem) == (manifest(), None)


async def test_it_looks_at_the_start_and_daily_and_not_at_all_when_turned_off(
    server: Server, make: Callable[..., Updater], clock: ManualClock
) -> None:
    server.token, stop = signed(manifest()), asyncio.Event()
    one = make(mode=OFF)
    running = asyncio.create_task(one.run(stop))
    await until(lambda: clock.sleepers == 1)
    clock.advance(200)
    await until(lambda: clock.sleepers == 1)
    assert server.looks == 0
    one.turn("tell")
    await until(lambda: server.looks == 1 and clock.sleepers == 1 and not one.is_checking)
    clock.advance(0.85 * DAY)
    assert server.looks == 1
    clock.advance(0.3 * DAY)
    await until(lambda: server.looks == 2)
    one.turn(OFF)
    assert one.newer is None
    stop.set()
    await running


async def test_nothing_is_asked_without_a_key(server: Server, make: Callable[..., Updater]) -> None:
    await (one := make(keys=None)).check()
    assert (server.looks, one.problem) == (0, Problem.NO_KEYS)


async def test_a_download_goes_on_by_itself_and_ends_in_the_folder(
    server: Server, make: Callable[..., Updater], clock: ManualClock, tmp_path: Path
) -> None:
    server.token, server.cut_after = signed(manifest()), 300_000
    one = make()
    await one.check()
    assert one.start_download()
    await until(lambda: one.download is not None and one.download.problem is Problem.UNREACHABLE)
    while one.download is not None and one.download.is_running:
        clock.advance(10)
        await asyncio.sleep(0.01)
    assert one.download is not None
    assert one.download.path == tmp_path / "Downloads" / NAME
    assert one.download.path.read_bytes() == CONTENT


async def test_a_managed_machine_is_told_and_downloads_nothing(server: Server, make: Callable[..., Updater]) -> None:
    server.token = signed(manifest())
    one = make(mode="tell")
    await one.check()
    assert one.newer == manifest()
    assert not one.start_download()
    assert server.asked == []


async def test_a_release_without_a_file_for_this_machine_is_told_only(
    server: Server, make: Callable[..., Updater]
) -> None:
    server.token = signed(manifest(files=[FILE.model_copy(update={"machine": "riscv64"})]))
    one = make()
    await one.check()
    assert (one.newer is not None, one.file, one.start_download()) == (True, None, False)
