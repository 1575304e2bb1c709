"""Package the desktop client: a folder that runs without Python, and what people install on this system.

`package.py [--out DIR] [--check]`, on the system that the package is for. Linux: an archive of the folder and a .deb;
Windows: an archive and an installer (NSIS); macOS: a disk image. `--check` (Linux) installs the .deb into a scratch root, runs
its self-test there as a user who never used it, removes it again, and compiles the Windows installer where NSIS is.
PULSE_RELEASE_KEYS is the set of public keys whose releases the packaged agent believes. Raises SystemExit with a sentence.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from macos_image import ImagePlan
from windows_setup import makensis, setup_command

from pulse_chassis.signatures import TrustedKeys

HERE: Final = Path(__file__).resolve().parent
ICON: Final = HERE.parent / "ui" / "src" / "pulse_desktop" / "theme" / "icon.svg"
NAME: Final = "precisionpulse"
TITLE: Final = "PrecisionPulse"
_SYSTEMS: Final = {"win32": "windows", "darwin": "macos"}
PROGRAMS: Final = ("pulse-desktop", "pulse-agent")
# Qt's own libraries are in the folder; these belong to the system's display, and every desktop has them.
DEPENDS: Final = (
    "libc6",
    "libegl1",
    "libfontconfig1",
    "libgl1",
    "libxkbcommon-x11-0",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-keysyms1",
    "libxcb-shape0",
    "libdbus-1-3",
)
SELF_TEST_SECONDS: Final = 180
AGENT_ENDS_SECONDS: Final = 30.0


def main() -> None:
    """Build, and check if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("dist/desktop"), help="where the package is put")
    parser.add_argument("--check", action="store_true", help="install, self-test and remove it (Linux)")
    given = parser.parse_args()
    folder = build_folder(given.out.resolve())
    print(f"{folder}  {_megabytes(folder)} MB")
    for package in packages(folder, sys.platform):
        print(f"{package}  {package.stat().st_size // 10**6} MB")
        if given.check and package.suffix == ".deb":
            check(package)
    if given.check and shutil.which("makensis"):
        with tempfile.TemporaryDirectory(prefix="pulse-setup-") as scratch:
            setup = build_setup(folder, Path(scratch) / f"{NAME}-setup.exe")
            print(f"the Windows installer compiles, of this system's folder: {setup.stat().st_size // 10**6} MB")


def packages(folder: Path, system: str) -> list[Path]:
    """Make what people of a system install, and return it; `system` as `sys.platform` names it."""
    named = folder.with_name(f"{NAME}-{version('pulse-desktop')}-{_SYSTEMS.get(system, 'linux')}-{machine()}")
    if system == "win32":
        archive = Path(shutil.make_archive(str(named), "zip", folder))
        return [archive, build_setup(folder, named.with_name(f"{named.name}-setup.exe"))]
    if system == "darwin":
        return [build_image(folder.with_name(f"{TITLE}.app"), named.with_name(f"{named.name}.dmg"))]
    archive = Path(shutil.make_archive(str(named), "gztar", folder.parent, folder.name))
    return [archive, build_deb(folder)] if shutil.which("dpkg-deb") else [archive]


def machine() -> str:
    """Return this machine's processor as releases name it."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(name, name)


def build_setup(folder: Path, setup: Path) -> Path:
    """Return the Windows installer of the folder."""
    _run(setup_command(makensis(), folder, setup, version("pulse-desktop")))
    return setup


def build_image(app: Path, image: Path) -> Path:
    """Return the macOS disk image of the bundle."""
    with tempfile.TemporaryDirectory(prefix="pulse-image-") as staging:
        for command in ImagePlan(app, Path(staging), image).commands(os.environ):
            _run(command)
    return image


def release_keys(work: Path) -> Path:
    """Write the keys that the packaged agent believes to a file, and return it. Raises SystemExit for what are no keys."""
    file = work / "release-keys.json"
    text = os.environ.get("PULSE_RELEASE_KEYS") or '{"keys": []}'
    try:
        keys = json.loads(text)["keys"]
        TrustedKeys(keys)
        if any("d" in key for key in keys):
            raise SystemExit("PULSE_RELEASE_KEYS holds a private key: give the public half only.")
    except (ValueError, TypeError, KeyError) as error:
        raise SystemExit(f"PULSE_RELEASE_KEYS is no set of public keys (`pulse releases key`): {error}") from error
    if not keys:
        print("PULSE_RELEASE_KEYS is not given: this package believes no release, and offers no updates")
    file.write_text(json.dumps({"keys": keys}), encoding="utf-8")
    return file


def build_folder(out: Path) -> Path:
    """Run PyInstaller; return the folder with both programs."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pulse-package-") as work:
        os.environ["PULSE_RELEASE_KEYS_FILE"] = str(release_keys(Path(work)))
        where = ["--distpath", str(out), "--workpath", work]
        _run(
            [
                sys.executable,
                "-m",
                "PyInstaller",
                "--noconfirm",
                "--log-level",
                "WARN",
                *where,
                str(HERE / f"{NAME}.spec"),
            ]
        )
    return out / NAME


def build_deb(folder: Path) -> Path:
    """Return the .deb of the folder: /opt/precisionpulse, two commands, a menu entry and its icon."""
    architecture = _run(["dpkg", "--print-architecture"], capture=True).strip()
    package = folder.with_name(f"{NAME}_{version('pulse-desktop')}_{architecture}.deb")
    with tempfile.TemporaryDirectory(prefix="pulse-deb-") as scratch:
        root = Path(scratch)
        root.chmod(0o755)
        shutil.copytree(folder, root / "opt" / NAME, symlinks=True)
        commands = root / "usr" / "bin"
        commands.mkdir(parents=True)
        for program in PROGRAMS:
            (commands / program).symlink_to(f"/opt/{NAME}/{program}")
        for source, target in (
            (HERE / "linux" / f"{NAME}.desktop", root / "usr/share/applications" / f"{NAME}.desktop"),
            (ICON, root / "usr/share/icons/hicolor/scalable/apps" / f"{NAME}.svg"),
            (HERE.parents[2] / "LICENSE", root / "usr/share/doc" / NAME / "copyright"),
        ):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        control = root / "DEBIAN" / "control"
        control.parent.mkdir()
        control.write_text(_control(architecture, _megabytes(folder) * 1000), encoding="utf-8")
        _run(["dpkg-deb", "-Zxz", "-z1", "--root-owner-group", "--build", str(root), str(package)], capture=True)
    return package


def _control(machine: str, kilobytes: int) -> str:
    return (
        f"Package: {NAME}\nVersion: {version('pulse-desktop')}\nArchitecture: {machine}\n"
        "Maintainer: PrecisionPulse maintainers <maintainers@precisionpulse.example>\n"
        f"Installed-Size: {kilobytes}\nDepends: {', '.join(DEPENDS)}\nSection: utils\nPriority: optional\n"
        "Description: keeps a computer's readings until the server has them\n"
        " The window and the agent of PrecisionPulse. The agent takes readings, keeps each on this disk, and\n"
        " delivers it when the network is there; the window shows it all, offline too.\n"
    )


def check(package: Path) -> None:
    """Install the package into a root of its own, run it as somebody new, remove it. Needs root, dpkg and Xvfb."""
    if shutil.which("Xvfb") is None:
        raise SystemExit("The check needs Xvfb: apt-get install xvfb")
    with tempfile.TemporaryDirectory(prefix="pulse-install-") as scratch:
        root = Path(scratch)
        root.chmod(0o755)
        database = root / "var" / "lib" / "dpkg"
        for part in ("info", "updates", "triggers"):
            (database / part).mkdir(parents=True)
        (database / "status").touch()
        dpkg = ["dpkg", f"--root={root}", "--force-depends", "--force-script-chrootless", "--log=/dev/null"]
        _run([*dpkg, "--install", str(package)], capture=True)
        for program in PROGRAMS:
            assert (root / "usr" / "bin" / program).is_symlink(), program
        self_test(root / "opt" / NAME)
        _run([*dpkg, "--purge", NAME], capture=True)
        left = [path for part in ("opt", "usr") for path in (root / part).rglob("*") if not path.is_dir()]
        if left:
            raise SystemExit(f"The package leaves files behind: {left[0]}")
    print("installed, passed its self-test, removed")


def self_test(folder: Path) -> None:
    """Run the window's self-test on a virtual screen, as `nobody` where we are root, with a home that is new."""
    import pwd  # there is none on Windows, where nothing is checked

    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pulse-home-") as home:
        if user is not None:
            os.chown(home, user.pw_uid, user.pw_gid)
        environment = {
            "HOME": home,
            "XDG_RUNTIME_DIR": home,
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }
        screen, display = _screen()
        try:
            done = subprocess.run(
                [str(folder / "pulse-desktop"), "--self-test"],
                env={**environment, "DISPLAY": display},
                cwd=home,
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
                capture_output=True,
                text=True,
                check=False,
                timeout=SELF_TEST_SECONDS,
            )
        finally:
            screen.terminate()
            screen.wait()
    print(done.stdout.strip())
    if done.returncode != 0:
        raise SystemExit(f"The self-test ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    _end(json.loads(done.stdout)["agent_pid"])


def _end(agent: int) -> None:
    """End the agent that the self-test started: it outlives its window, as it should, but not the package."""
    os.kill(agent, signal.SIGTERM)
    deadline = time.monotonic() + AGENT_ENDS_SECONDS
    while Path(f"/proc/{agent}").exists():
        if time.monotonic() > deadline:
            os.kill(agent, signal.SIGKILL)
            raise SystemExit(f"The agent was still there {AGENT_ENDS_SECONDS:g} s after it was asked to end.")
        time.sleep(0.05)


def _screen() -> tuple[subprocess.Popen[bytes], str]:
    """Start a virtual screen; return it and its name."""
    reading, writing = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=(writing,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as said:
        number = said.readline().strip()
    if not number:
        raise SystemExit("Xvfb did not start.")
    return screen, f":{number}"


def _megabytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) // 10**6


def _run(command: Sequence[str], *, capture: bool = False) -> str:
    done = subprocess.run(command, capture_output=capture, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {done.returncode}.\n{(done.stderr or '') if capture else ''}")
    return done.stdout or ""


if __name__ == "__main__":
    main()
