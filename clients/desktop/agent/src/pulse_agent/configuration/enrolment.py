"""Enrolling with a one-time code: the device's identity, its own fresh keys for sync, and whom it will believe."""

from __future__ import annotations

import http.client
import json
import socket
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from pulse_agent.configuration.desktop_keys import DesktopKeys
from pulse_agent.configuration.device import CA_FILE, SERVER_CA_FILE, EnrolledDevice, save_device, write_private
from pulse_agent.configuration.key_store import Secret, save_secrets
from pulse_agent.configuration.server_http import ServerUnreachableError, request
from pulse_agent.configuration.server_keys import SERVER_KEYS_FILE, fetch_server_keys
from pulse_agent.replica.database import REPLICA_FILE
from pulse_agent.settings import agent_version
from pulse_contracts.enrolment import EnrolmentRequest, EnrolmentResult

ENROL_PATH = "/api/devices/enroll"
_TRY_AGAIN = (http.client.TOO_MANY_REQUESTS, http.client.REQUEST_TIMEOUT)


class EnrolmentFault(StrEnum):
    """What an enrolment failed for."""

    NOT_REACHABLE = "not_reachable"
    CODE_MALFORMED = "code_malformed"
    CODE_REFUSED = "code_refused"
    """Unknown, used or out of date: the server does not say which."""
    SERVER_FAILED = "server_failed"
    NO_ENROLMENT = "no_enrolment"
    """The answer is none of a PrecisionPulse server's."""


class EnrolmentError(Exception):
    """The server was not reached, or did not accept the code; the message says which, in words."""

    def __init__(self, fault: EnrolmentFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def enroll(
    url: str, code: str, data: Path, *, ca_file: Path | None = None, allow_keyring: bool = True
) -> EnrolledDevice:
    """Exchange the code for this machine's identity and keep it in `data`. Raises EnrolmentError.

    A server that gives no K_desktop makes a device that only delivers readings.
    """
    keys = DesktopKeys()
    try:
        asking = EnrolmentRequest(
            code=code,
            hostname=socket.gethostname()[:255],
            agent_version=agent_version(),
            sign_jwk=keys.signing_key.public_jwk(),
            seal_key=keys.seal_key.public_key,
        )
    except ValidationError as error:
        raise EnrolmentError(
            EnrolmentFault.CODE_MALFORMED, "that is no enrolment code: a code has 8 to 64 characters"
        ) from error
    result = _ask(url, asking, ca_file)
    secrets = {Secret.API_KEY: result.api_key}
    if result.verifier_key and result.password_key:
        secrets[Secret.DESKTOP_KEYS] = keys.as_secret(result.verifier_key)
    store = save_secrets(data, result.device_id, secrets, allow_keyring=allow_keyring)
    if result.mqtt.ca_pem:
        write_private(data / CA_FILE, result.mqtt.ca_pem)
    if ca_file is not None:
        write_private(data / SERVER_CA_FILE, ca_file.read_text(encoding="utf-8"))
    device = EnrolledDevice(
        device_id=result.device_id,
        name=result.name,
        server_url=url,
        host=result.mqtt.host,
        port=result.mqtt.port,
        tls_port=result.mqtt.tls_port,
        ca_file=CA_FILE if result.mqtt.ca_pem else None,
        key_store=store.value,
        server_ca_file=SERVER_CA_FILE if ca_file is not None else None,
        password_key=result.password_key if Secret.DESKTOP_KEYS in secrets else None,
    )
    save_device(data, device)
    (data / SERVER_KEYS_FILE).unlink(missing_ok=True)
    if device.password_key is not None:
        fetch_server_keys(data, device)
    else:
        for suffix in ("", "-wal", "-shm"):  # people and rights of an earlier enrolment are none of this device's
            (data / f"{REPLICA_FILE}{suffix}").unlink(missing_ok=True)
    return device


def _ask(url: str, asking: EnrolmentRequest, ca_file: Path | None) -> EnrolmentResult:
    try:
        answer = request("POST", url, ENROL_PATH, asking.model_dump_json().encode(), ca_file)
    except ServerUnreachableError as error:
        raise EnrolmentError(EnrolmentFault.NOT_REACHABLE, str(error)) from error
    if answer.status not in (http.client.OK, http.client.CREATED):
        is_server = answer.status >= http.client.INTERNAL_SERVER_ERROR or answer.status in _TRY_AGAIN
        fault = EnrolmentFault.SERVER_FAILED if is_server else EnrolmentFault.CODE_REFUSED
        raise EnrolmentError(fault, f"the server refused ({answer.status}): {_problem_in(answer.body)}")
    try:
        return EnrolmentResult.model_validate_json(answer.body)
    except ValidationError as error:
        raise EnrolmentError(
            EnrolmentFault.NO_ENROLMENT,
            f"{url} answered something that is no enrolment; is it a PrecisionPulse server?",
        ) from error


def _problem_in(body: bytes) -> str:
    try:
        problem = json.loads(body)
        return str(problem.get("detail") or problem.get("title") or problem.get("code"))
    except (ValueError, AttributeError):
        return "no reason given"
