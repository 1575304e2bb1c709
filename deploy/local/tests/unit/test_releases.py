"""A release is signed as it lies there, can be signed again, and is checked as an agent checks it."""

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pulse_chassis.signatures import SigningKey, TrustedKeys
from pulse_contracts.releases import MANIFEST_FILE
from pulse_local.__main__ import app
from pulse_local.errors import StackError
from pulse_local.releases import check_release, new_key, packages, sign_release

KEY = SigningKey.generate()
KEYS = TrustedKeys([KEY.public_jwk()])
DAY = timedelta(days=1)
NAMES = {
    "precisionpulse_0.3.0_amd64.deb": ("linux-deb", "x86_64"),
    "precisionpulse-0.3.0-linux-arm64.tar.gz": ("linux-folder", "arm64"),
    "precisionpulse-0.3.0-windows-x86_64-setup.exe": ("windows", "x86_64"),
    "precisionpulse-0.3.0-macos-arm64.dmg": ("macos", "arm64"),
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in (*NAMES, "precisionpulse-0.3.0-windows-x86_64.zip", "release-key.json"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def test_every_package_is_in_it_and_nothing_else(directory: Path) -> None:
    version, files = packages(directory)
    assert version == "0.3.0"
    assert {file.name: (file.platform, file.machine) for file in files} == NAMES


def test_what_was_signed_is_believed_and_what_was_changed_is_not(directory: Path) -> None:
    sign_release(directory, KEY, DAY)
    assert check_release(directory, KEYS).version == "0.3.0"
    with pytest.raises(StackError, match="not trusted"):
        check_release(directory, TrustedKeys([SigningKey.generate().public_jwk()]))
    package = directory / "precisionpulse_0.3.0_amd64.deb"
    package.write_bytes(package.read_bytes()[::-1])
    with pytest.raises(StackError, match="is not what was signed"):
        check_release(directory, KEYS)


def test_signed_again_it_is_the_same_release_for_longer(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sign_release(directory, KEY, DAY)
    forged = json.loads(first.model_dump_json()) | {"released_at": first.released_at - 500}
    (directory / MANIFEST_FILE).write_text(KEY.sign(json.dumps(forged).encode(), "pulse-release+jws"))
    again = sign_release(directory, KEY, 2 * DAY)
    assert again.released_at == first.released_at - 500
    assert again.expires_at >= int(time.time()) + 2 * 86_400 - 60
    other = sign_release(directory, SigningKey.generate(), DAY)
    assert other.released_at >= first.released_at, "another key's word is not taken"


def test_notes_come_from_files_and_else_from_the_changelog(directory: Path, tmp_path: Path) -> None:
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("# Changelog\n\n## [Unreleased]\n\n- soon\n\n## [0.3.0]\n\n- mended\n\n## [0.2.0]\n\n- old\n")
    assert sign_release(directory, KEY, DAY, changelog).notes == {"en": "- mended"}
    (directory / "notes.de.txt").write_text("Repariert.\n", encoding="utf-8")
    assert sign_release(directory, KEY, DAY, changelog).notes == {"de": "Repariert.", "en": "- mended"}


def test_two_versions_and_none_are_refused(directory: Path, tmp_path: Path) -> None:
    (directory / "precisionpulse_0.2.0_amd64.deb").write_bytes(b"x")
    with pytest.raises(StackError, match=r"0\.2\.0, 0\.3\.0|0\.3\.0, 0\.2\.0"):
        packages(directory)
    with pytest.raises(StackError, match="no package"):
        packages(tmp_path / "nowhere")


def test_the_commands_go_from_a_key_to_a_checked_release(directory: Path, tmp_path: Path) -> None:
    key = tmp_path / "new-key.json"
    made = CliRunner().invoke(app, ["releases", "key", str(key)])
    keys = tmp_path / "keys.json"
    keys.write_text(made.stdout)
    assert "d" not in json.loads(made.stdout)["keys"][0], "the private half stays in its file"
    assert key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StackError, match="already"):
        new_key(key)
    nameless = CliRunner().invoke(app, ["releases", "sign", str(directory)], env={"PULSE_RELEASE_KEY": ""})
    assert nameless.exit_code == 1
    assert "no_key" in nameless.stderr
    signed = CliRunner().invoke(app, ["releases", "sign", str(directory)], env={"PULSE_RELEASE_KEY": key.read_text()})
    assert signed.exit_code == 0, signed.stderr
    checked = CliRunner().invoke(app, ["releases", "check", "--keys", str(keys), str(directory)])
    assert checked.exit_code == 0, checked.stderr
