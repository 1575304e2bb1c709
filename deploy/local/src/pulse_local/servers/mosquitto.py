"""Mosquitto from the system: accounts by dynamic security, topics by acl_file, a plain and a TLS listener on loopback.

Guarantees: nobody is anonymous; a queue per client is bounded; accounts and queued messages survive an orderly restart.
Accounts survive a kill as well, queued messages only as far as the last save.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pulse_contracts.broker_accounts import (
    ALERTS_ACCOUNT,
    COMMANDS_ACCOUNT,
    IDENTITY_ACCOUNT,
    INGEST_ACCOUNT,
    SYNC_ACCOUNT,
)
from pulse_local.certificates import CertificateFiles, ensure_certificates
from pulse_local.errors import MissingPartError
from pulse_local.ports import LOOPBACK
from pulse_local.processes import ProcessSpec
from pulse_local.servers.broker_accounts import refreshed_security
from pulse_local.servers.broker_acl import render_acl
from pulse_local.servers.kept_accounts import keep_accounts
from pulse_local.system_user import SERVER_USER, SystemUser, find_user, give, let_traverse, make_directory, server_user

_PLUGIN = "mosquitto_dynamic_security.so"
_PROGRAM_PATHS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/usr/local/opt/mosquitto/sbin"
_PLUGIN_PLACES = ("lib", "lib64", "opt/mosquitto/lib")
_PREFIXES = (Path("/usr"), Path("/usr/local"), Path("/opt/homebrew"))
_HINT = "Install it: `apt-get install mosquitto mosquitto-clients` (Debian, Ubuntu), `brew install mosquitto` (macOS)."

MOST_QUEUED_MESSAGES = 200_000  # Minutes of a busy fleet while ingest restarts.
MOST_QUEUED_BYTES = 256 * 1024 * 1024
MOST_IN_FLIGHT = 2_000  # Ingest's Receive Maximum; Mosquitto's own default is 20.
LARGEST_PACKET = 1024 * 1024  # Above the 256 KiB of a message, so that ingest can say why it rejects one.


@dataclass(frozen=True, slots=True)
class MosquittoInstallation:
    """What the system has: the program, its version, the security plugin."""

    program: Path
    version: tuple[int, ...]
    plugin: Path


def find_mosquitto() -> MosquittoInstallation:
    """Find the system's Mosquitto, version 2.0 or newer with its plugin; raises MissingPartError."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path=_PROGRAM_PATHS)
    if program is None:
        raise MissingPartError("mosquitto_missing", "Mosquitto is not installed.", _HINT)
    said = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - found above
    match = re.search(r"mosquitto version (\d+)\.(\d+)\.(\d+)", said)
    version = tuple(int(part) for part in match.groups()) if match else ()
    if version < (2, 0):
        found = ".".join(map(str, version)) or "of an unknown version"
        raise MissingPartError("mosquitto_too_old", f"Mosquitto is {found}; 2.0 or newer is needed.", _HINT)
    return MosquittoInstallation(Path(program), version, _find_plugin(Path(program)))


def _find_plugin(program: Path) -> Path:
    for prefix in (program.resolve().parent.parent, *_PREFIXES):
        for place in _PLUGIN_PLACES:
            for found in ((prefix / place) / _PLUGIN, *sorted((prefix / place).glob(f"*-linux-*/{_PLUGIN}"))):
                if found.exists():
                    return found
    raise MissingPartError("mosquitto_plugin_missing", f"Mosquitto's plugin {_PLUGIN} was not found.", _HINT)


def broker_user() -> SystemUser | None:
    """Return the user for the broker: the package's own where there is one, so that it cannot read the database."""
    if os.geteuid() != 0:
        return None
    return find_user("mosquitto") or server_user(SERVER_USER)


@dataclass(frozen=True, slots=True)
class BrokerPasswords:
    """The passwords of the broker's service accounts."""

    ingest: str
    identity: str
    sync: str
    commands: str
    alerts: str

    def by_account(self) -> dict[str, str]:
        """Return account name → password."""
        return {
            INGEST_ACCOUNT: self.ingest,
            IDENTITY_ACCOUNT: self.identity,
            SYNC_ACCOUNT: self.sync,
            COMMANDS_ACCOUNT: self.commands,
            ALERTS_ACCOUNT: self.alerts,
        }


@dataclass(frozen=True, slots=True)
class MosquittoServer:
    """One broker on one directory and two ports."""

    data: Path
    port: int
    tls_port: int
    passwords: BrokerPasswords
    run_as: SystemUser | None = None
    name: str = "mosquitto"

    @property
    def ca_file(self) -> Path:
        """The certificate that clients of the TLS listener trust."""
        return self.data / "tls" / "ca.crt"

    @property
    def security_file(self) -> Path:
        """The accounts, in a directory that the broker may write: else its changes are answered as done and lost."""
        return self.data / "accounts" / "dynamic-security.json"

    def prepare(self) -> None:
        """Write configuration, ACL, certificates and service accounts; device accounts stay as the broker left them."""
        installation = find_mosquitto()
        make_directory(self.data, self.run_as, 0o755)
        let_traverse(self.data, self.run_as)
        make_directory(self.security_file.parent, self.run_as, 0o700)
        make_directory(self.data / "store", self.run_as, 0o700)
        certificates = ensure_certificates(make_directory(self.ca_file.parent, self.run_as, 0o755), self.run_as)
        self.keep_accounts()
        security = refreshed_security(self.security_file, self.passwords.by_account())
        self._write(self.security_file, json.dumps(security, indent=1))
        self._write(self.data / "acl.conf", render_acl())
        self._write(self.data / "mosquitto.conf", self._configuration(installation, certificates))

    def keep_accounts(self) -> None:
        """Copy the accounts, if the broker has changed them: its own file is torn by a kill at the wrong moment."""
        keep_accounts(self.security_file, self.run_as)

    def _write(self, path: Path, text: str) -> None:
        draft = path.with_name(path.name + ".new")
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        give(draft, self.run_as, 0o600).replace(path)

    def _configuration(self, installation: MosquittoInstallation, certificates: CertificateFiles) -> str:
        def here(path: Path) -> Path:
            # Relative to the working directory, which stays reachable whatever happens to the directories above it.
            return path.relative_to(self.data)

        return broker_configuration(
            installation.plugin,
            here(self.security_file),
            CertificateFiles(here(certificates.authority), here(certificates.certificate), here(certificates.key)),
            plain=f"{self.port} {LOOPBACK}",
            tls=f"{self.tls_port} {LOOPBACK}",
        )

    def spec(self) -> ProcessSpec:
        """Run the broker in the foreground."""
        return ProcessSpec(
            name=self.name,
            argv=(str(find_mosquitto().program), "-c", str(self.data / "mosquitto.conf")),
            directory=self.data,
            run_as=self.run_as,
        )

    def is_ready(self) -> bool:
        """Say whether it lets ingest's account in: another program on the port does not count.

        The TLS listener is not asked: the broker opens all listeners before it serves any, and ends if one is taken.
        """
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1.0) as connection:
                connection.sendall(_connect_packet(INGEST_ACCOUNT, self.passwords.ingest))
                answer = connection.recv(4)
                connection.sendall(_DISCONNECT)
        except OSError:
            return False
        return answer == _ACCEPTED


def broker_configuration(
    plugin: Path, security_file: Path, certificates: CertificateFiles, *, plain: str, tls: str
) -> str:
    """Return mosquitto.conf; `plain` and `tls` are ports, each with an address to listen at unless it is every one."""
    lines = [
        "per_listener_settings false",
        "allow_anonymous false",
        f"plugin {plugin}",
        f"plugin_opt_config_file {security_file}",
        "acl_file acl.conf",
        "# Without it a small packet waits 40 ms for the previous one's TCP acknowledgement.",
        "set_tcp_nodelay true",
        f"max_queued_messages {MOST_QUEUED_MESSAGES}",
        f"max_queued_bytes {MOST_QUEUED_BYTES}",
        f"max_inflight_messages {MOST_IN_FLIGHT}",
        f"max_packet_size {LARGEST_PACKET}",
        "persistence true",
        "persistence_location store/",
        "autosave_interval 30",
        "persistent_client_expiration 14d",
        "log_dest stderr",
        "log_dest topic",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_timestamp_format %Y-%m-%dT%H:%M:%S%z",
        "connection_messages true",
        "sys_interval 10",
        f"listener {plain}",
        f"listener {tls}",
        f"cafile {certificates.authority}",
        f"certfile {certificates.certificate}",
        f"keyfile {certificates.key}",
        "tls_version tlsv1.2",
    ]
    return "\n".join(lines) + "\n"


_DISCONNECT = b"\xe0\x00"
_ACCEPTED = b"\x20\x02\x00\x00"


def _connect_packet(username: str, password: str) -> bytes:
    """Return an MQTT 3.1.1 CONNECT with a clean session and a client id given by the broker."""

    def text(value: str) -> bytes:
        return len(value.encode()).to_bytes(2, "big") + value.encode()

    clean_with_credentials = 0b1100_0010
    body = text("MQTT") + bytes((4, clean_with_credentials)) + (10).to_bytes(2, "big")
    body += text("") + text(username) + text(password)
    return bytes((0x10, len(body))) + body
