"""Whether what came on the command topic is a command for this device: signature, audience, topic, form and size.

Guarantees: what is returned was signed by a trusted key of the commands service, as a command, for this device and
topic, and says how long it is good for; anything else is a `RefusedError` with a code of the contract. Time, counter
and arguments are looked at by whoever knows them. Never does: remember anything.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import ValidationError

from pulse_chassis.mqtt import InboundMessage
from pulse_chassis.signatures import SignatureError, TrustedKeys
from pulse_contracts.commands import COMMAND_TYPE, MAX_COMMAND_BYTES, MAX_COMMAND_SECONDS, Command
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import command as command_topic

MAX_JTI_CHARS: Final = 64
MAX_NUMBER: Final = 2**53


class RefusedError(Exception):
    """No command for us; `code` as in `RefusalReport`, `jti` as far as it could be read, which proves nothing."""

    def __init__(self, code: str, detail: str, jti: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.jti = jti


def verified_command(message: InboundMessage, keys: TrustedKeys, client_id: ClientId) -> Command:
    """Return the command in a message. Raises RefusedError."""
    if message.retain:
        raise RefusedError("retained", "a command is never retained")
    if len(message.payload) > MAX_COMMAND_BYTES:
        raise RefusedError("too_large", f"{len(message.payload)} bytes, at most {MAX_COMMAND_BYTES}")
    fields = _signed_fields(message.payload, keys)
    jti = _readable_jti(fields)
    topic = command_topic(client_id)
    try:
        command = Command.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise RefusedError("malformed", f"{'.'.join(map(str, first['loc']))}: {first['msg']}", jti) from error
    if command.aud != client_id:
        raise RefusedError("wrong_audience", f"meant for {command.aud}", jti)
    if command.topic != topic or message.topic != topic:
        raise RefusedError("wrong_topic", f"signed for {command.topic[:128]}", jti)
    if command.cnt > MAX_NUMBER or abs(command.exp) > MAX_NUMBER:
        raise RefusedError("malformed", "a number is beyond all bounds", jti)
    if not 0 < command.exp - command.iat <= MAX_COMMAND_SECONDS:
        raise RefusedError("malformed", f"must be good for 1 to {MAX_COMMAND_SECONDS} seconds", jti)
    return command


def _signed_fields(payload: bytes, keys: TrustedKeys) -> dict[str, Any]:
    try:
        text = keys.open(payload, COMMAND_TYPE, max_chars=MAX_COMMAND_BYTES)
    except SignatureError as error:
        code = "bad_signature" if error.code == "wrong_type" else error.code  # signed, but not as a command
        raise RefusedError(code, str(error)) from error
    if len(text) > MAX_COMMAND_BYTES:  # a token may be deflated
        raise RefusedError("too_large", f"{len(text)} bytes within, at most {MAX_COMMAND_BYTES}")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RefusedError("malformed", "the payload is no JSON") from error
    if not isinstance(fields, dict):
        raise RefusedError("malformed", "the payload is no JSON object")
    return fields


def _readable_jti(fields: dict[str, Any]) -> str | None:
    jti = fields.get("jti")
    return jti[:MAX_JTI_CHARS] if isinstance(jti, str) else None
