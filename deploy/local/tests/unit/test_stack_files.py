"""Secrets, ports, logs, marks and certificates: what lies in the data directory."""

import datetime as dt
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509

from pulse_local import certificates
from pulse_local.certificates import ensure_certificates
from pulse_local.data_directory import DataDirectory, StackBusyError
from pulse_local.errors import NotRunningError, PortTakenError, UnusableDataError
from pulse_local.ports import free_ports
from pulse_local.processes import ProcessMark
from pulse_local.servers.postgres import short_socket_directory
from pulse_local.stack_file import StackFile
from pulse_local.stack_ports import PortClaims, WantedPorts, choose_ports
from pulse_local.stack_secrets import load_secrets
from pulse_local.supervisor.rotation import rotate


@pytest.fixture
def new_claims(tmp_path: Path) -> Iterator[Callable[[], PortClaims]]:
    with ExitStack() as made:

        def make() -> PortClaims:
            claims = PortClaims(tmp_path / "claims")
            made.callback(claims.release)
            return claims

        yield make


@pytest.fixture
def claims(new_claims: Callable[[], PortClaims]) -> PortClaims:
    return new_claims()


def test_secrets_are_made_once_for_the_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULSE_ADMIN_PASSWORD", raising=False)
    first = load_secrets(tmp_path)
    monkeypatch.setenv("PULSE_ADMIN_PASSWORD", "another password")
    assert load_secrets(tmp_path) == first
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    values = [first.admin_password, first.identity_secret, *first.database_passwords.values()]
    assert len(set(values)) == len(values)


def test_a_new_stack_takes_the_chosen_admin_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_ADMIN_PASSWORD", "chosen by me")
    assert load_secrets(tmp_path).admin_password == "chosen by me"


def test_a_short_admin_password_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULSE_ADMIN_PASSWORD", "short")
    with pytest.raises(UnusableDataError):
        load_secrets(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_broken_secrets_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "stack-secrets.json").write_text("{}")
    with pytest.raises(UnusableDataError):
        load_secrets(tmp_path)
    assert (tmp_path / "stack-secrets.json").read_text() == "{}"


def test_ports_are_the_same_at_the_next_start(
    tmp_path: Path, claims: PortClaims, new_claims: Callable[[], PortClaims]
) -> None:
    names = ("valkey", "ingest")
    first = choose_ports(names, WantedPorts(), tmp_path / "ports.json", claims)
    claims.release()
    again = choose_ports(names, WantedPorts(), tmp_path / "ports.json", new_claims())
    assert again == first


def test_a_remembered_port_that_somebody_took_is_left_to_them(
    tmp_path: Path, claims: PortClaims, new_claims: Callable[[], PortClaims]
) -> None:
    first = choose_ports(("valkey",), WantedPorts(), tmp_path / "ports.json", claims)
    claims.release()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first["valkey"]))
        taken.listen()
        again = choose_ports(("valkey",), WantedPorts(), tmp_path / "ports.json", new_claims())
    assert again != first


def test_two_stacks_that_choose_at_once_do_not_meet(
    tmp_path: Path, claims: PortClaims, new_claims: Callable[[], PortClaims]
) -> None:
    names = ("gateway", "mqtt", "mqtt_tls", "valkey", "ingest")
    one = choose_ports(names, WantedPorts(), tmp_path / "one.json", claims)
    two = choose_ports(names, WantedPorts(), tmp_path / "two.json", new_claims())
    assert not set(one.values()) & set(two.values())


def test_a_taken_port_that_was_asked_for_is_an_error(tmp_path: Path, claims: PortClaims) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=str(port)):
            choose_ports(("gateway",), WantedPorts(gateway=port), tmp_path / "ports.json", claims)


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(20))) == 20


def test_a_log_above_its_size_is_kept_aside_and_emptied_in_place(tmp_path: Path) -> None:
    log = tmp_path / "ingest.log"
    with log.open("ab") as writer:  # As a service holds it.
        for number in range(1, 6):
            writer.write(bytes(str(number), "ascii") * 100)
            writer.flush()
            assert rotate(log, largest=50, kept=2)
        writer.write(b"next")
    assert log.read_bytes() == b"next"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ingest.log", "ingest.log.1", "ingest.log.2"]
    assert (tmp_path / "ingest.log.1").read_bytes() == b"5" * 100
    assert not rotate(log, largest=50, kept=2)


def test_a_process_is_recognised_by_its_start_as_well_as_its_id() -> None:
    mark = ProcessMark.of(os.getpid())
    assert mark is not None
    assert mark.is_alive()
    assert not ProcessMark(mark.pid, mark.started - 60).is_alive()


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = ProcessMark.of(child.pid)
    assert mark is not None
    child.stdin.close()  # type: ignore[union-attr]
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not mark.is_alive()
    child.wait()


def test_long_paths_get_a_short_socket_directory_of_their_own(tmp_path: Path) -> None:
    long = [tmp_path / ("x" * 90) / name for name in ("a", "b")]
    short = [short_socket_directory(path) for path in long]
    assert all(len(str(path / ".s.PGSQL.5432.lock")) < 100 for path in short)
    assert short[0] != short[1]
    assert short_socket_directory(Path("/short")) == Path("/short")


def test_a_data_directory_has_one_supervisor_at_a_time(tmp_path: Path) -> None:
    directory = DataDirectory.at(tmp_path / ".pulse")
    assert not directory.is_locked()
    directory.open()
    with directory.locked():
        assert directory.is_locked()
        with pytest.raises(StackBusyError), directory.locked():
            pass
    assert not directory.is_locked()


def test_a_nearly_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulse_local.data_directory.LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(UnusableDataError) as refused:
        DataDirectory.at(tmp_path).open()
    assert refused.value.code == "disk_nearly_full"


def test_a_stack_file_that_is_missing_or_damaged_means_not_running(tmp_path: Path) -> None:
    for content in (None, "{", '{"gateway_url": 1}'):
        if content is not None:
            (tmp_path / "stack.json").write_text(content)
        with pytest.raises(NotRunningError):
            StackFile.read(tmp_path / "stack.json")


def test_a_certificate_about_to_end_is_renewed_under_the_same_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "_SERVER_LIFE", dt.timedelta(days=20))
    files = ensure_certificates(tmp_path, None)
    authority, soon = files.authority.read_bytes(), files.certificate.read_bytes()
    monkeypatch.setattr(certificates, "_SERVER_LIFE", dt.timedelta(days=300))
    ensure_certificates(tmp_path, None)
    renewed = files.certificate.read_bytes()
    assert (files.authority.read_bytes(), renewed != soon) == (authority, True)
    ensure_certificates(tmp_path, None)
    assert files.certificate.read_bytes() == renewed
    x509.load_pem_x509_certificate(renewed).verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
