"""What is a command for this device, and what is not: signature, audience, topic, form, size, retained flag."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest

from pulse_agent.commands.verification import RefusedError, verified_command
from pulse_chassis.mqtt import InboundMessage
from pulse_chassis.signatures import SigningKey, TrustedKeys
from pulse_contracts.commands import COMMAND_TYPE, MAX_COMMAND_BYTES, MAX_COMMAND_SECONDS, Command
from pulse_contracts.ids import ClientId

KEY = SigningKey.generate()
STRANGER = SigningKey.generate()
IMPOSTOR = SigningKey.generate(KEY.key_id)
DEVICE = ClientId("pump-1")
TOPIC = "command/pump-1"
JTI = str(uuid.UUID(int=7))
FIELDS: dict[str, Any] = {
    "v": 1, "iss": "commands", "aud": "pump-1", "topic": TOPIC, "jti": JTI, "cnt": 5, "iat": 100, "exp": 400,
    "name": "PING", "args": {}, "actor": None,
}  # fmt: skip


def token(key: SigningKey = KEY, token_type: str = COMMAND_TYPE, **changes: Any) -> bytes:
    return key.sign(json.dumps(FIELDS | changes).encode(), token_type).encode()


def opened(payload: bytes, *, topic: str = TOPIC, retain: bool = False) -> Command:
    return verified_command(InboundMessage(topic, payload, 2, 1, retain, 1), TrustedKeys([KEY.public_jwk()]), DEVICE)


def without_signature() -> bytes:
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"pulse-command+jws"}').rstrip(b"=")
    return header + b"." + base64.urlsafe_b64encode(json.dumps(FIELDS).encode()).rstrip(b"=") + b"."


def tampered() -> bytes:
    header, _, signature = token().split(b".")
    body = base64.urlsafe_b64encode(json.dumps(FIELDS | {"name": "RELOAD"}).encode()).rstrip(b"=")
    return b".".join((header, body, signature))


def test_a_genuine_command_is_read() -> None:
    command = opened(token(args={"a": 1}))
    assert (str(command.jti), command.cnt, command.name, command.args) == (JTI, 5, "PING", {"a": 1})


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "malformed"),
        (b"{}", "malformed"),
        (b"\xff.\xff.\xff", "malformed"),
        (without_signature(), "bad_signature"),
        (tampered(), "bad_signature"),
        (token(IMPOSTOR), "bad_signature"),
        (token(STRANGER), "unknown_key"),
        (token(token_type="pulse-lease+jws"), "bad_signature"),
        (token(iss="sync"), "malformed"),
        (token(aud="pump-2"), "wrong_audience"),
        (token(topic="command/pump-2"), "wrong_topic"),
        (token(cnt=0), "malformed"),
        (token(cnt=2**70), "malformed"),
        (token(iat=2**70, exp=2**70 + 60), "malformed"),
        (token(args={"a": "x" * MAX_COMMAND_BYTES}), "too_large"),
        (token(jti="x"), "malformed"),
        (token(name="ping"), "malformed"),
        (token(exp=100), "malformed"),
        (token(exp=101 + MAX_COMMAND_SECONDS), "malformed"),
        (KEY.sign(b"[]", COMMAND_TYPE).encode(), "malformed"),
        (KEY.sign(b"no json", COMMAND_TYPE).encode(), "malformed"),
        (token() + b"A" * MAX_COMMAND_BYTES, "too_large"),
    ],
)
def test_anything_else_is_refused_with_its_code(payload: bytes, code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        opened(payload)
    assert refused.value.code == code


def test_a_retained_command_is_refused_before_its_signature_is_looked_at() -> None:
    with pytest.raises(RefusedError) as refused:
        opened(b"anything", retain=True)
    assert refused.value.code == "retained"


def test_without_keys_every_command_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        verified_command(InboundMessage(TOPIC, token(), 2, 1, False, 1), TrustedKeys([]), DEVICE)
    assert refused.value.code == "unknown_key"
