"""Package the desktop client: a folder that runs without Python, and on Linux a .deb of it.

`package.py [--out DIR] [--check]`, on the system that the package is for. `--check` installs the .deb into a scratch root,
runs its self-test there as a user who never used it, and removes it again. Raises SystemExit with a sentence.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ICON: Final = HERE.parent / "ui" / "src" / "pulse_desktop" / "theme" / "icon.svg"
NAME: Final = "precisionpulse"
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


def main() -> None:
    """Build, and check if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("dist/desktop"), help="where the package is put")
    parser.add_argument("--check", action="store_true", help="install, self-test and remove it (Linux)")
    given = parser.parse_args()
    folder = build_folder(given.out.resolve())
    print(f"{folder}  {_megabytes(folder)} MB")
    if not sys.platform.startswith("linux"):
        archive = shutil.make_archive(str(folder.with_name(f"{NAME}-{version('pulse-desktop')}")), "zip", folder)
        print(archive)
        return
    package = build_deb(folder)
    print(f"{package}  {package.stat().st_size // 10**6} MB")
    if given.check:
        check(package)


def build_folder(out: Path) -> Path:
    """Run PyInstaller; return the folder with both programs."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pulse-package-") as work:
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
    machine = _run(["dpkg", "--print-architecture"], capture=True).strip()
    package = folder.with_name(f"{NAME}_{version('pulse-desktop')}_{machine}.deb")
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
        control.write_text(_control(machine, _megabytes(folder) * 1000), encoding="utf-8")
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
