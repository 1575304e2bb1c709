"""What an agent gets that asks for a release: the signed manifest and its files, and nothing else of the directory."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pulse_agent.configuration.device import EnrolledDevice
from pulse_agent.updates.machine import this_machine
from pulse_agent.updates.updater import Updater, UpdaterPlan
from pulse_chassis.clock import SystemClock
from pulse_chassis.signatures import SigningKey, TrustedKeys
from pulse_contracts.releases import MANIFEST_FILE
from pulse_local.releases import sign_release

NAME = "precisionpulse_9.9.9_amd64.deb"
CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    folder = tmp_path / "releases"
    folder.mkdir()
    (folder / MANIFEST_FILE).write_text("header.payload.signature\n", encoding="ascii")
    (folder / NAME).write_bytes(CONTENT)
    (folder / "release-key.json").write_text("secret", encoding="ascii")
    (tmp_path / "outside.deb").write_text("secret", encoding="ascii")
    (folder / "link.deb").symlink_to(tmp_path / "outside.deb")
    (folder / "empty.deb").touch()
    (folder / "folder.deb").mkdir()
    os.mkfifo(folder / "pipe.deb")
    return folder


async def test_without_a_directory_there_is_no_release_and_all_else_works(world: Any) -> None:
    async with world.gateway() as gateway, gateway.http() as http:
        for path, code in (("manifest", "no_release"), (f"files/{NAME}", "no_such_file")):
            answer = await http.get(f"/api/releases/{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, code)
            assert answer.headers["content-type"] == "application/problem+json"
        assert (await http.get("/health")).status_code == 200


async def test_the_manifest_and_a_file_are_given_to_who_did_not_sign_in(world: Any, releases: Path) -> None:
    async with world.gateway(gateway_releases_dir=releases) as gateway, gateway.http() as http:
        manifest = await http.get("/api/releases/manifest")
        assert (manifest.status_code, manifest.text) == (200, "header.payload.signature")
        assert manifest.headers["content-type"] == "application/jose"
        assert manifest.headers["cache-control"] == "no-cache"
        tag = manifest.headers["etag"]
        known = await http.get("/api/releases/manifest", headers={"If-None-Match": tag})
        assert (known.status_code, known.content) == (304, b"")
        # The next release is seen at once: nothing is kept.
        (releases / MANIFEST_FILE).write_text("a.new.one", encoding="ascii")
        newer = await http.get("/api/releases/manifest", headers={"If-None-Match": tag})
        assert (newer.status_code, newer.text) == (200, "a.new.one")

        file = await http.get(f"/api/releases/files/{NAME}")
        assert (file.status_code, file.content) == (200, CONTENT)
        assert file.headers["content-disposition"] == f'attachment; filename="{NAME}"'
        assert file.headers["x-content-type-options"] == "nosniff"
        assert file.headers["content-type"] == "application/octet-stream"


async def test_a_download_goes_on_where_it_was_cut_if_the_file_is_the_same(world: Any, releases: Path) -> None:
    async with world.gateway(gateway_releases_dir=releases) as gateway, gateway.http() as http:
        url, size = f"/api/releases/files/{NAME}", len(CONTENT)
        tag = (await http.get(url)).headers["etag"]
        rest = await http.get(url, headers={"Range": "bytes=300000-", "If-Range": tag})
        assert (rest.status_code, rest.content) == (206, CONTENT[300000:])
        assert rest.headers["content-range"] == f"bytes 300000-{size - 1}/{size}"
        other = await http.get(url, headers={"Range": "bytes=300000-", "If-Range": '"another"'})
        assert (other.status_code, other.content) == (200, CONTENT)
        beyond = await http.get(url, headers={"Range": f"bytes={size}-"})
        assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")
        for nonsense in ("bytes=9-1,3-4", "lines=1-2", "bytes=-"):
            assert (await http.get(url, headers={"Range": nonsense})).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "release-key.json", MANIFEST_FILE, "outside.deb", "link.deb", "empty.deb", "folder.deb", "pipe.deb", "nothing.deb",
        "..%2Foutside.deb", "%2e%2e/outside.deb", "..%5Coutside.deb", f"{NAME}%00", f"{NAME}/", "%2Fetc%2Fpasswd",
    ],
)  # fmt: skip
async def test_nothing_else_of_the_disk_is_given(world: Any, releases: Path, name: str) -> None:
    async with world.gateway(gateway_releases_dir=releases) as gateway, gateway.http() as http:
        answer = await http.get(f"/api/releases/files/{name}")
        assert answer.status_code in {404, 422}, answer.text
        assert "secret" not in answer.text
        assert answer.headers["content-type"] == "application/problem+json"


async def test_an_agent_finds_a_release_downloads_it_and_does_not_go_back(
    world: Any, tmp_path: Path, wait_until: Any
) -> None:
    offered, key, day = tmp_path / "offered", SigningKey.generate(), timedelta(days=1)
    offered.mkdir()
    package = offered / f"precisionpulse-9.9.9-linux-{this_machine()}.tar.gz"
    package.write_bytes(CONTENT)
    async with world.gateway(gateway_releases_dir=offered) as gateway:
        url = f"http://{gateway.address}"
        device = EnrolledDevice("D-1", "Desk 1", url, "127.0.0.1", 1883, None, None, "file")
        keys = TrustedKeys([key.public_jwk()])
        plan = UpdaterPlan(
            tmp_path / "agent", device, keys, SystemClock(), folder=tmp_path / "Downloads", version="0.1.0"
        )
        updater = Updater(plan)
        await updater.check()
        assert updater.problem == "not_offered"
        await asyncio.to_thread(sign_release, offered, key, day)
        await updater.check()
        assert updater.newer is not None
        assert updater.newer.version == "9.9.9"
        assert updater.start_download()
        await wait_until(lambda: updater.download is not None and not updater.download.is_running)
        assert updater.download is not None
        assert updater.download.path == tmp_path / "Downloads" / package.name
        assert updater.download.path.read_bytes() == CONTENT

        package.rename(offered / f"precisionpulse-9.9.8-linux-{this_machine()}.tar.gz")
        await asyncio.to_thread(sign_release, offered, key, day)
        await updater.check()
        assert (updater.problem, updater.newer.version) == ("rolled_back", "9.9.9")
        await asyncio.to_thread(sign_release, offered, SigningKey.generate(), day)
        await updater.check()
        assert updater.problem == "unknown_key"
