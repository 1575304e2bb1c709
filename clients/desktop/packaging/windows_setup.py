"""The Windows installer: which program makes it, and how it is called. Runs on every system that has NSIS."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final

SCRIPT: Final = Path(__file__).resolve().parent / "windows" / "installer.nsi"
_USUAL: Final = ("ProgramFiles(x86)", "ProgramFiles")


def makensis() -> str:
    """Return NSIS' compiler. Raises SystemExit with a sentence where there is none."""
    found = shutil.which("makensis")
    for folder in (os.environ.get(name) for name in _USUAL):
        usual = Path(folder) / "NSIS" / "makensis.exe" if folder else None
        if found is None and usual is not None and usual.exists():
            found = str(usual)
    if found is None:
        raise SystemExit(
            "The Windows installer needs NSIS 3: `choco install nsis`, or `apt-get install nsis` to check it."
        )
    return found


def setup_command(compiler: str, folder: Path, setup: Path, version: str) -> list[str]:
    """Return what compiles the installer of PyInstaller's folder. A warning of the script is an error."""
    numbers = ".".join([*version.partition("-")[0].split("."), "0"])
    given = {"VERSION": version, "NUMBERS": numbers, "SOURCE": str(folder / "*"), "OUT": str(setup)}
    option = "/" if sys.platform == "win32" else "-"
    return [
        compiler,
        f"{option}V2",
        f"{option}WX",
        *(f"{option}D{name}={value}" for name, value in given.items()),
        f"{option}INPUTCHARSET",
        "UTF8",
        str(SCRIPT),
    ]
