"""A release from the operator's directory to the user's downloads: signed, offered, found, downloaded, and refused when old."""

import asyncio
import json
import os
import platform
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pulse_chassis.signatures import SigningKey
from pulse_contracts.local_address import local_address
from pulse_contracts.local_protocol import Hello, Program
from pulse_local.releases import sign_release

KEY = SigningKey.generate()
MACHINE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
GOOD_FOR = timedelta(days=1)


@asynccontextmanager
async def calls(data: Path) -> AsyncIterator[Any]:
    """Speak to an agent as a window does: `await call(method, **params)` gives the answer's result or error."""
    reader, writer = await asyncio.open_unix_connection(local_address(data), limit=4 * 1024 * 1024)
    hello = Hello(versions=[1], window=Program(name="test", version="1"))
    writer.write(hello.model_dump_json().encode() + b"\n")
    number = 0

    async def call(method: str, **params: Any) -> Any:
        nonlocal number
        number += 1
        request = {"type": "request", "id": number, "method": method, "params": params}
        writer.write(json.dumps(request).encode() + b"\n")
        while True:
            frame = json.loads(await reader.readline())
            if frame.get("id") == number:
                return frame.get("result") or frame["error"]

    yield call
    writer.close()


async def test_a_signed_release_reaches_the_downloads_and_an_old_one_is_not_believed(
    stack: Any, enrol: Any, eventually: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = stack.data / "releases"
    offered.mkdir()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [KEY.public_jwk()]}), encoding="utf-8")
    monkeypatch.setenv("PULSE_AGENT_RELEASE_KEYS", str(keys))
    monkeypatch.setenv("PULSE_AGENT_DOWNLOADS", str(tmp_path / "Downloads"))
    async with stack.admin() as http:
        agent = await enrol(stack, http, f"up-{secrets.token_hex(4)}")  # a socket's path has 103 bytes at most
    agent.start()
    account = stack.description["admin"]

    async def has_a_door() -> bool:
        return os.path.exists(local_address(agent.data))  # noqa: PTH110 -- an address

    await eventually(has_a_door, what="the agent serves windows")
    async with calls(agent.data) as call:

        async def is_let_in() -> bool:
            return "username" in await call("sign_in", username=account["username"], password=account["password"])

        await eventually(is_let_in, what="the workstation knows its people")
        none = await call("updates.check")
        assert (none["problem"], none["available"]) == ("not_offered", None)

        content = secrets.token_bytes(3_000_000)
        package = offered / f"precisionpulse-9.9.9-linux-{MACHINE}.tar.gz"
        package.write_bytes(content)
        (offered / "notes.de.txt").write_text("Besser.", encoding="utf-8")
        sign_release(offered, KEY, GOOD_FOR)
        found = (await call("updates.check"))["available"]
        assert (found["version"], found["name"], found["notes"]) == ("9.9.9", package.name, {"de": "Besser."})

        assert (await call("updates.download"))["available"]["download"] is not None

        async def path() -> str | None:
            # While nothing newer is offered, a look says how the download stands.
            return (await call("updates.check"))["available"]["download"]["path"]

        downloaded = Path(await eventually(path, what="the file is there"))
        assert downloaded == tmp_path / "Downloads" / package.name
        assert downloaded.read_bytes() == content

        package.rename(offered / f"precisionpulse-9.9.8-linux-{MACHINE}.tar.gz")
        sign_release(offered, KEY, GOOD_FOR)
        old = await call("updates.check")
        assert (old["problem"], old["available"]["version"]) == ("rolled_back", "9.9.9")

        sign_release(offered, SigningKey.generate(), GOOD_FOR)
        assert (await call("updates.check"))["problem"] == "unknown_key"
    for path_ in offered.iterdir():
        path_.unlink()
    offered.rmdir()
