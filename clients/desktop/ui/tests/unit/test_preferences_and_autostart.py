"""What a person chose is kept, without any password; autostart is turned on and off; options are read."""

from __future__ import annotations

import plistlib
import stat
from pathlib import Path

import pytest

from pulse_desktop.autostart import LaunchAgentAutostart, XdgAutostart, autostart_here
from pulse_desktop.options import agent_command, default_data, own_command, parse
from pulse_desktop.preferences import PREFERENCES_FILE, Appearance, PreferencesFile
from pulse_desktop.texts.language import Language


def test_choices_are_kept_for_the_owner_alone(tmp_path: Path) -> None:
    PreferencesFile(tmp_path).change(username="ada", appearance=Appearance.DARK, language=Language.GERMAN)
    again = PreferencesFile(tmp_path).value
    assert (again.username, again.appearance, again.language) == ("ada", Appearance.DARK, Language.GERMAN)
    path = tmp_path / PREFERENCES_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "password" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "[]", '{"language": "tlh"}', '{"chart_seconds": "x"}', "\x00"])
def test_a_damaged_file_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / PREFERENCES_FILE).write_text(text, encoding="utf-8")
    assert PreferencesFile(tmp_path).value.username == ""


def test_a_disk_that_takes_nothing_does_not_stop_the_window(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    kept = PreferencesFile(tmp_path / "file" / "below")
    assert kept.change(username="ada").username == "ada"


def test_an_xdg_entry_is_written_and_removed(tmp_path: Path) -> None:
    autostart = XdgAutostart(["/opt/precision pulse/pulse-desktop", "50%"], tmp_path)
    assert not autostart.is_on()
    autostart.set_on(True)
    text = (tmp_path / "precisionpulse.desktop").read_text(encoding="utf-8")
    assert 'Exec="/opt/precision pulse/pulse-desktop" "50%%"' in text
    assert autostart.is_on()
    autostart.set_on(False)
    autostart.set_on(False)
    assert not autostart.is_on()


def test_the_entry_opens_the_same_folder_and_lies_where_the_desktop_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert "--data" not in own_command(default_data().absolute())
    autostart = autostart_here(own_command(tmp_path / "line 3"))
    autostart.set_on(True)
    assert XdgAutostart([]).is_on()
    text = (tmp_path / "config" / "autostart" / "precisionpulse.desktop").read_text(encoding="utf-8")
    assert f'--data "{tmp_path}/line 3"\n' in text


def test_a_launch_agent_is_written_and_removed(tmp_path: Path) -> None:
    autostart = LaunchAgentAutostart(["/Applications/PrecisionPulse"], tmp_path)
    autostart.set_on(True)
    (path,) = tmp_path.iterdir()
    assert plistlib.loads(path.read_bytes())["ProgramArguments"] == ["/Applications/PrecisionPulse"]
    autostart.set_on(False)
    assert not autostart.is_on()


def test_the_command_line_goes_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_AGENT_DATA", str(tmp_path / "a"))
    assert parse([]).data == tmp_path / "a"
    assert parse(["--data", str(tmp_path / "b")]).data == tmp_path / "b"
    assert parse(["--no-agent"]).agent_command == ()
    monkeypatch.delenv("PULSE_AGENT_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert parse([]).data == tmp_path / "precisionpulse-agent"


def test_the_agents_program_may_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_DESKTOP_AGENT", "'/opt/an agent' -v")
    assert agent_command() == ("/opt/an agent", "-v", "run", "--await-enrolment")
    monkeypatch.delenv("PULSE_DESKTOP_AGENT")
    assert Path(agent_command()[0]).name == "pulse-agent"
