"""The command line itself: what is mounted, and how errors reach a person and a script."""

from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pulse_local.__main__ import app
from pulse_local.commands.stack_commands import logs
from pulse_local.errors import ExitCode, StackError
from pulse_local.servers import mosquitto


def test_a_known_error_is_a_sentence_a_remedy_and_a_code(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--data", str(tmp_path)])
    assert result.exit_code == ExitCode.NOT_RUNNING
    assert "not_running" in result.stderr
    assert "pulse up" in result.stderr
    assert "Traceback" not in result.output


def test_help_names_every_command() -> None:
    listed = CliRunner().invoke(app, ["--help"]).output
    for name in ("up", "down", "status", "logs", "doctor", "devices", "history", "export", "demo", "bench"):
        assert name in listed


def test_the_version_is_that_of_the_installed_package() -> None:
    assert CliRunner().invoke(app, ["version"]).output == f"{metadata.version('pulse-local')}\n"


def test_a_log_that_does_not_exist_names_those_that_do(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "ingest.log").write_text("one\ntwo\n")
    with pytest.raises(StackError) as unknown:
        logs("ingress", data=tmp_path)
    assert "ingest" in unknown.value.hint
    assert CliRunner().invoke(app, ["logs", "ingest", "-n", "1", "--data", str(tmp_path)]).output == "two\n"


def test_the_doctor_reports_a_missing_broker_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mosquitto.shutil, "which", lambda *_args, **_options: None)
    result = CliRunner().invoke(app, ["doctor", "--data", str(tmp_path / ".pulse")], terminal_width=200)
    assert result.exit_code == ExitCode.MISSING
    assert "Mosquitto is not installed" in " ".join(result.output.split())
    assert "Data directory" in result.output
