"""What comes down and goes up, as bytes: sealed and signed, or refused with a reason.

Guarantees: nothing is read from a message before its seal and signature were good and it was found to be for this
desktop, on this topic. Never does: change anything.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from pulse_agent.replica.identity import DesktopIdentity
from pulse_agent.replica.staging import Walk
from pulse_chassis.sealing import Sealer, SealError
from pulse_chassis.signatures import SignatureError, TrustedKeys
from pulse_contracts.sync import (
    DOWN,
    DOWN_TYPE,
    LEASE_TYPE,
    MAX_PAGE_ROWS,
    SEALED,
    Answer,
    Lease,
    Page,
    Poke,
    Pull,
    PullRefused,
    Push,
    ServiceKeys,
)
from pulse_contracts.topics import sync_down

MAX_DOWN_BYTES: Final = 1024 * 1024
MAX_POKE_BYTES: Final = 1024


class MessageRefusedError(Exception):
    """This message changes nothing; `code` says why in one word."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Mail:
    """Opens what comes, closes what goes. Raises ValueError for keys of the service that are none."""

    def __init__(self, identity: DesktopIdentity, keys: ServiceKeys) -> None:
        self._identity = identity
        self._trusted = TrustedKeys(keys.keys)
        self._sealer = Sealer(keys.seal_key or "")
        self._topic = sync_down(identity.device_id)

    def open_down(self, payload: bytes) -> Page | Answer | PullRefused:
        """Return a message; whether it is fresh is the caller's to tell. Raises MessageRefusedError."""
        if len(payload) > MAX_DOWN_BYTES:
            raise MessageRefusedError("too_large", f"{len(payload)} bytes")
        if not payload.startswith(SEALED):
            raise MessageRefusedError("not_sealed", "a message down is always sealed")
        try:
            text = self._trusted.open(self._identity.seal_key.open(payload[len(SEALED) :]), DOWN_TYPE)
            message = DOWN.validate_json(text)
        except SealError as error:
            raise MessageRefusedError("not_ours", str(error)) from error
        except SignatureError as error:
            raise MessageRefusedError(error.code, str(error)) from error
        except ValidationError as error:
            raise MessageRefusedError("malformed", f"{error.error_count()} faults") from error
        if message.aud != self._identity.device_id:
            raise MessageRefusedError("wrong_audience", f"for {message.aud}")
        if message.topic != self._topic:
            raise MessageRefusedError("wrong_topic", f"for {message.topic}")
        if isinstance(message, Page) and len(message.rows) > MAX_PAGE_ROWS:
            raise MessageRefusedError("malformed", "too many rows")
        return message

    def open_lease(self, token: str, user_id: str) -> Lease:
        """Return a lease that is for this user on this desktop. Raises MessageRefusedError."""
        return open_lease(self._trusted, token, user_id, self._identity.device_id)

    def pull(self, request: str, walk: Walk) -> bytes:
        """Return the question for the next page."""
        pull = Pull(
            req=request,
            since=walk.since,
            mode="snapshot" if walk.mode == "snapshot" else "delta",
            checkpoint=walk.checkpoint if walk.after is not None else None,
            after=walk.after,
            revocation_no=walk.revocation_no,
            renew_leases=walk.renew_leases,
        )
        return pull.model_dump_json(exclude_none=True).encode()

    def push(self, request: str, operations: Sequence[str]) -> bytes:
        """Return signed operations, sealed to the service."""
        return SEALED + self._sealer.seal(Push(req=request, operations=list(operations)).model_dump_json().encode())


def open_lease(trusted: TrustedKeys, token: str, user_id: str, device_id: str) -> Lease:
    """Return a lease that is for this user on this desktop; its times are the caller's to check."""
    try:
        lease = Lease.model_validate_json(trusted.open(token, LEASE_TYPE, max_chars=MAX_DOWN_BYTES))
    except SignatureError as error:
        raise MessageRefusedError(error.code, str(error)) from error
    except ValidationError as error:
        raise MessageRefusedError("malformed", "no lease") from error
    if lease.sub != user_id or lease.aud != device_id:
        raise MessageRefusedError("wrong_audience", "a lease of somebody else")
    return lease


def read_poke(payload: bytes) -> Poke:
    """Return a poke. Raises MessageRefusedError."""
    try:
        if len(payload) <= MAX_POKE_BYTES:
            return Poke.model_validate_json(payload)
    except ValidationError as error:
        raise MessageRefusedError("malformed", "no poke") from error
    raise MessageRefusedError("too_large", f"{len(payload)} bytes")


def new_request() -> str:
    """Return a name for a question that nobody can guess: an answer that names it is fresh."""
    return secrets.token_hex(16)
