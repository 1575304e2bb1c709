"""A stranger on a fresh Debian 12 follows start.md and tutorial.md word by word, to a custom device's alarm on the dashboard.

`make check-fresh` runs it (root; minutes). What happened is kept in dist/fresh: check.log, and a picture of each look at the
dashboard. `--person root` is somebody without sudo; `--tests` also builds everything and runs a test of each kind, with nothing
installed by hand.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from docs.tests.blocks import ROOT, Block, blocks_of
from docs.tests.fresh.machine import FreshMachine, ImpossibleError
from docs.tests.fresh.terminal import StepFailedError, Terminal
from tests.e2e.remote_page import RemotePage, remote_page

KEPT: Final = ROOT / "dist" / "fresh"
SOURCE: Final = "/srv/precisionpulse.bundle"
CHECKOUT: Final = "precisionpulse"
BROWSER: Final = "clients/dashboard/tests/browser/remote.mjs"
DEMO: Final = "make demo"
ALARM: Final = "Kiln 7: temperature is 85 °C"
WANTED_SECONDS: Final = 120
DEMO_SECONDS: Final = 1_200.0
FIRST_DATA_SECONDS: Final = 60.0
TESTS: Final = (
    "make build",
    "make test-fast",
    "clients/dashboard/scripts/install_chromium.sh",
    ".venv/bin/pytest -q clients/dashboard/tests/browser -k session",
    ".venv/bin/pytest -q clients/desktop/ui/tests/integration/test_windows.py",
    ".venv/bin/pytest -q services/ingest/tests/integration/test_refusals.py",
    ".venv/bin/pytest -q docs/tests/test_diagrams.py docs/tests/test_boards.py",
)
"""One of each kind: in a browser, with Qt, with servers, of the pages."""


class Stranger:
    """Somebody who types what the pages say, and looks at the dashboard where they say so."""

    def __init__(self, machine: FreshMachine, say: Callable[[str], None]) -> None:
        self._machine = machine
        self._say = say
        self._checkout = f"{machine.home}/{CHECKOUT}"
        self._account: dict[str, str] = {}

    def terminal(self) -> Terminal:
        """Open a shell, in the checkout if there is one."""
        has = self._machine.inside(self._checkout).exists()
        return Terminal(self._machine, self._checkout if has else self._machine.home)

    def type(self, terminal: Terminal, block: Block) -> None:
        """Type a block as it is written, and see what it says that one sees."""
        self._say(f"{block.where}: {block.text.splitlines()[0]}")
        text = block.text if self._machine.person != "root" else re.sub(r"^sudo ", "", block.text, flags=re.MULTILINE)
        printed = terminal.run(text)
        if block.prints is not None and block.prints not in printed:
            raise StepFailedError(f"{block.where} printed no {block.prints!r}:\n{printed}")

    def clone(self, terminal: Terminal) -> None:
        """Get the source."""
        terminal.run(f"git clone --quiet {SOURCE} {CHECKOUT}")

    async def see_the_demo(self, cloned_at: float) -> float:
        """Run `make demo`, look at its dashboard, press Ctrl-C. Return the seconds from the clone to the first data."""
        with self.terminal() as terminal:
            terminal.start(DEMO)
            shown = terminal.until("Ctrl-C stops it", DEMO_SECONDS) + terminal.until("╯", FIRST_DATA_SECONDS)
            self._say(f"ready after {time.monotonic() - cloned_at:.0f} s")
            self._read_box(shown)
            terminal.until_match(r"cpu_percent|cpu \d", FIRST_DATA_SECONDS)
            seconds = time.monotonic() - cloned_at
            self._say(f"first data after {seconds:.0f} s")
            with self.terminal() as other:
                other.run("clients/dashboard/scripts/install_chromium.sh")
            await self.look("demo", self._at_the_demo)
            terminal.interrupt()
            terminal.until("stopped", FIRST_DATA_SECONDS)
        return seconds

    def _read_box(self, shown: str) -> None:
        for name, pattern in {"url": r"(http://[\d.]+:\d+)", "password": r"password +(\S+)"}.items():
            found = re.search(pattern, shown)
            if found is None:
                raise StepFailedError(f"the box shows no {name}:\n{shown}")
            self._account[name] = found[1]

    async def look(self, name: str, at: Callable[[RemotePage], Any]) -> None:
        """Sign in as the pages say, look, and keep a picture."""
        program = ["clients/dashboard/scripts/node.sh", "node", f"{self._checkout}/{BROWSER}"]
        inside = {"PULSE_BASE": self._account["url"]}
        command = self._machine.command(program, cwd=self._checkout, env=inside)
        async with remote_page(self._account["url"], command) as page:
            await page.do("sign_in", username="admin", password=self._account["password"])
            await at(page)
            await page.do("picture", file=f"{self._machine.home}/{name}.png")
        picture = self._machine.inside(f"{self._machine.home}/{name}.png")
        (KEPT / f"{name}.png").write_bytes(picture.read_bytes())
        self._say(f"looked: {name}.png")

    async def _at_the_demo(self, page: RemotePage) -> None:
        await page.do("go", path="/devices")
        await page.see(role="row", has="demo-device-00001")

    async def _at_the_alarm(self, page: RemotePage) -> None:
        await page.do("go", path="/alerts")
        await page.see(text=ALARM)

    async def follow(self, page: Path, skip: tuple[str, ...] = ()) -> None:
        """Type every block of a page that does not want hardware, in one shell; look where the alarm is."""
        with self.terminal() as terminal:
            for block in blocks_of(page):
                if block.info != "sh" or block.not_run or block.is_last or block.text.startswith(skip):
                    continue
                self.type(terminal, block)
                if block.prints == ALARM:
                    await self.look("alarm", self._at_the_alarm)

    def run_tests(self) -> None:
        """Build everything, and run a test of each kind."""
        with self.terminal() as terminal:
            for command in TESTS:
                self._say(command)
                began = time.monotonic()
                said = terminal.run(command)
                last = said.strip().splitlines()[-1] if said.strip() else ""
                self._say(f"  {time.monotonic() - began:.0f} s  {last}")


async def walk(stranger: Stranger, say: Callable[[str], None], *, with_tests: bool) -> None:
    """Take every step, in the order in which the pages have them."""
    gone = [word for word in " ".join(TESTS).split() if "/tests/" in word and not (ROOT / word).exists()]
    if gone:
        raise StepFailedError(f"what is to be tested is not there: {', '.join(gone)}")
    start, tutorial = ROOT / "docs" / "start.md", ROOT / "docs" / "tutorial.md"
    blocks = [block for block in blocks_of(start) if block.info == "sh"]
    needed, demo = blocks[0], blocks[1]
    if not needed.text.startswith("sudo apt-get") or demo.text != DEMO:
        raise StepFailedError("start.md no longer begins with what is needed and `make demo`")
    if needed.text not in (ROOT / "README.md").read_text(encoding="utf-8"):
        raise StepFailedError("README.md needs something else than start.md")
    with stranger.terminal() as terminal:
        stranger.type(terminal, needed)
        cloned_at = time.monotonic()
        stranger.clone(terminal)
    seconds = await stranger.see_the_demo(cloned_at)
    await stranger.follow(start)
    await stranger.follow(tutorial)
    with stranger.terminal() as terminal:
        for last in [block for block in blocks if block.is_last]:
            terminal.run('export PATH="$PWD/.venv/bin:$PATH"')
            stranger.type(terminal, last)
    if with_tests:
        stranger.run_tests()
    met = "met" if seconds <= WANTED_SECONDS else "not met"
    say(f"done: {seconds:.0f} s from clone to first data ({WANTED_SECONDS} s wanted: {met})")


def main() -> int:
    """Make the machine, walk, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--person", default="ada", help="who it is: a person with sudo, or root")
    parser.add_argument("--tests", action="store_true", help="also build everything and run a test of each kind")
    options = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "check.log").open("w", encoding="utf-8") as log:

        def say(text: str) -> None:
            line = f"{time.strftime('%H:%M:%S')}  {text}"
            print(line, flush=True)
            print(line, file=log, flush=True)

        try:
            with FreshMachine(KEPT, options.person) as machine:
                say(f"a fresh machine for {options.person}")
                bundle = ["git", "bundle", "create", "--quiet", machine.inside(SOURCE), "HEAD", "--branches"]
                subprocess.run(bundle, cwd=ROOT, check=True)
                machine.log = log
                asyncio.run(walk(Stranger(machine, say), say, with_tests=options.tests))
        except (ImpossibleError, StepFailedError) as error:
            say(str(error))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
