"""Each system's packages are made by its own steps, the installers take exactly what PyInstaller made, and keys are public."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pulse_agent.configuration import options
from pulse_chassis.signatures import SigningKey
from pulse_contracts.releases import ReleaseFile
from pulse_desktop import autostart

PACKAGING = Path(__file__).resolve().parents[1]
NSI = (PACKAGING / "windows" / "installer.nsi").read_text(encoding="utf-8")


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(PACKAGING))
    yield importlib.import_module("package")
    for name in ("package", "windows_setup", "macos_image"):
        sys.modules.pop(name, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What PyInstaller makes, in small."""
    made = tmp_path / "precisionpulse"
    for name in ("pulse-desktop", "pulse-agent", "_internal/lib.so", "_internal/pulse_desktop/theme/icon.svg"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(name, encoding="utf-8")
    return made


@pytest.mark.parametrize(
    ("system", "kinds"),
    [
        ("linux", [r"-linux-\w+\.tar\.gz", r"_\w+\.deb"]),
        ("win32", [r"-windows-\w+\.zip", r"-windows-\w+-setup\.exe"]),
        ("darwin", [r"-macos-\w+\.dmg"]),
    ],
)
def test_a_system_gets_its_own_packages_under_names_that_a_release_takes(
    package: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, system: str, kinds: list[str]
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(package, "_run", lambda command, **_: ran.append(list(command)) or "amd64\n")
    monkeypatch.setattr(package, "makensis", lambda: "makensis")
    monkeypatch.setattr(package.shutil, "which", lambda name: name)
    made = package.packages(folder, system)
    for path, kind in zip(made, kinds, strict=True):
        assert re.fullmatch(rf"precisionpulse[-_][\d.]+{kind}", path.name), path.name
        ReleaseFile(platform="linux-deb", machine="x86_64", name=path.name, size=1, sha256="0" * 64)
    tools = {command[0] for command in ran}
    assert (
        tools
        == {
            "linux": {"dpkg", "dpkg-deb"},
            "win32": {"makensis"},
            "darwin": {"codesign", "ditto", "ln", "hdiutil"},
        }[system]
    )


def test_the_image_is_signed_before_it_is_packed_and_notarised_only_with_all_secrets(package: ModuleType) -> None:
    plan = package.ImagePlan(Path("P.app"), Path("staging"), Path("p.dmg"))
    ad_hoc = plan.commands({})
    assert [command[0] for command in ad_hoc] == ["codesign", "codesign", "ditto", "ln", "hdiutil", "codesign"]
    assert ad_hoc[0][:4] == ["codesign", "--force", "--sign", "-"]
    secrets = {"PULSE_NOTARY_APPLE_ID": "a", "PULSE_NOTARY_TEAM_ID": "t", "PULSE_NOTARY_PASSWORD": "p"}
    identity = {"PULSE_MACOS_IDENTITY": "Developer ID Application: Example"}
    notarised = plan.commands(secrets | identity)
    assert [command[1] for command in notarised if command[0] == "xcrun"] == ["notarytool", "stapler"]
    assert "runtime" in notarised[0]
    for wrong in (secrets, {"PULSE_NOTARY_APPLE_ID": "a"} | identity):
        with pytest.raises(SystemExit):
            plan.commands(wrong)


def test_a_build_takes_the_keys_that_it_is_given_and_never_a_private_one(
    package: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = SigningKey.generate()
    monkeypatch.delenv("PULSE_RELEASE_KEYS", raising=False)
    assert json.loads(package.release_keys(tmp_path).read_text()) == {"keys": []}
    monkeypatch.setenv("PULSE_RELEASE_KEYS", json.dumps({"keys": [key.public_jwk()]}))
    assert json.loads(package.release_keys(tmp_path).read_text()) == {"keys": [key.public_jwk()]}
    for wrong in ("nonsense", "{}", '{"keys": [{"kty": "RSA"}]}', json.dumps({"keys": [key.private_jwk()]})):
        monkeypatch.setenv("PULSE_RELEASE_KEYS", wrong)
        with pytest.raises(SystemExit):
            package.release_keys(tmp_path)


def test_the_windows_installer_writes_where_the_programs_look() -> None:
    defined = dict(re.findall(r'^!define (\w+) "(.*)"$', NSI, re.MULTILINE))
    assert defined["RUN_KEY"] == autostart.RUN_KEY
    assert defined["RUN_VALUE"] == autostart.APPLICATION_ID
    source = Path(options.__file__).read_text(encoding="utf-8")
    assert '/ "PrecisionPulse" / "agent"' in source, "where the agent keeps its files on Windows"
    assert r'RMDir /r "$LOCALAPPDATA\${NAME}\agent"' in NSI


def test_the_windows_uninstaller_removes_what_was_installed_and_keeps_data_unless_asked(folder: Path) -> None:
    uninstall = NSI.split('Section "Uninstall"')[1]
    for name in sorted(path.name for path in folder.iterdir()):
        removed = rf"RMDir /r \"$INSTDIR\{name}\"" if (folder / name).is_dir() else rf"Delete \"$INSTDIR\{name}.exe\""
        assert removed.replace('\\"', '"') in uninstall, name
    assert 'RMDir /r "$INSTDIR"' not in NSI, "the folder may be one that somebody chose"
    question, _, after = uninstall.partition("MB_DEFBUTTON2")
    assert "LOCALAPPDATA" not in question
    assert "/SD IDNO IDNO keep" in after
    assert "RequestExecutionLevel user" in NSI


def test_the_windows_installer_compiles_with_every_file_of_the_folder(
    package: ModuleType, folder: Path, tmp_path: Path
) -> None:
    setup = tmp_path / "precisionpulse-setup.exe"
    command = package.setup_command(shutil.which("makensis") or "makensis", folder, setup, "1.2.3-rc.1")
    assert "-DNUMBERS=1.2.3.0" in command
    if shutil.which("makensis") is None:  # CI's Windows has it; a machine without it checks the command alone
        return
    done = subprocess.run([part.replace("-V2", "-V4") for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    packed = set(re.findall(r'^File: "([^"]+)"', done.stdout, re.MULTILINE))
    assert {path.name for path in folder.rglob("*") if path.is_file()} <= packed
    assert setup.read_bytes()[:2] == b"MZ"
