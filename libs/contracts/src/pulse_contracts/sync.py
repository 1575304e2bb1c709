"""What desktops and sync say to each other (sync.md).

Up (`sync/{id}/up`): a pull or a report is plain JSON, it holds nothing secret and the broker says who sent it; a push is
`SEALED` + a libsodium sealed box to sync's key around JSON. Down (`sync/{id}/down`): always `SEALED` + a sealed box to
the desktop's key around a compact JWS (ES256, `typ` `DOWN_TYPE`, payload deflated when `zip` says so) whose payload
names its audience and topic. Poke (`sync/{entity}/update`): plain JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pulse_contracts.ids import ClientIdField
from pulse_contracts.operations import MAX_OPERATIONS, OperationOutcome, SyncedRow

SEALED: Final = b"\x01"
DOWN_TYPE: Final = "pulse-sync+jws"
LEASE_TYPE: Final = "pulse-lease+jws"
ENTITY_ORDER: Final = ("permissions", "roles", "users", "config")
"""The order in which rows of one checkpoint come: what is referred to first."""
MAX_PAGE_ROWS: Final = 500
MAX_PAGE_BYTES: Final = 192 * 1024
"""Of a page's JSON, before it is deflated; the broker takes 1 MiB."""
PULL_SECONDS: Final = 60.0
"""A desktop that hears no poke pulls this often: whatever was lost is healed then."""
LEASE_SECONDS: Final = 7 * 24 * 3600
TOMBSTONE_SECONDS: Final = 180 * 24 * 3600
MESSAGE_SECONDS: Final = 15 * 60
"""How old a signed message down may be when it arrives; what is older is asked for again."""

Cursor = Annotated[int, Field(ge=0, description="position in the change log, commit order, without gaps")]
Request = Annotated[str, Field(min_length=1, max_length=64, description="the sender's name for a question")]


class _Message(BaseModel):
    # Built at its first use: a process holds only what it speaks of, an agent 0.6 MB less.
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    v: Literal[1] = 1


class Poke(_Message):
    """Something changed up to this cursor; whether it concerns the reader, its next pull will tell."""

    cursor: Cursor


# -- up -----------------------------------------------------------------------------------------------------------------


class Pull(_Message):
    """Asks for the rows in scope that changed after `since`, page by page up to one checkpoint."""

    type: Literal["pull"] = "pull"
    req: Request
    since: Cursor
    mode: Literal["delta", "snapshot"] = "delta"
    checkpoint: Annotated[int | None, Field(ge=0, description="of the first page; given with `after`")] = None
    after: Annotated[str | None, Field(max_length=300, description="`next` of the previous page")] = None
    revocation_no: Annotated[int, Field(ge=0, description="the highest revocation applied")] = 0
    renew_leases: bool = False


class AppliedConfig(BaseModel):
    """What a desktop made of one config entry."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    id: Annotated[str, Field(max_length=256)]
    version: int
    error: Annotated[str | None, Field(max_length=256)] = None


class Report(_Message):
    """After a swap: what the desktop holds and which config is in force; the server shows who lags."""

    type: Literal["report"] = "report"
    cursor: Cursor
    revocation_no: int = 0
    pending: Annotated[int, Field(ge=0, description="operations not answered yet")] = 0
    applied_config: Annotated[list[AppliedConfig], Field(max_length=500)] = []
    error: Annotated[str | None, Field(max_length=256, description="the last thing that failed, until it works")] = None


class Push(_Message):
    """Operations in the order of op_no, each a compact JWS of its own."""

    type: Literal["push"] = "push"
    req: Request
    operations: Annotated[list[str], Field(min_length=1, max_length=MAX_OPERATIONS)]


PLAIN_UP: Final[TypeAdapter[Pull | Report]] = TypeAdapter(
    Annotated[Pull | Report, Field(discriminator="type")], config=ConfigDict(defer_build=True)
)


# -- down ---------------------------------------------------------------------------------------------------------------


class PasswordVerifier(BaseModel):
    """Checks one user's password on one desktop, and is worth nothing elsewhere: see `pulse_contracts.verifiers`."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    salt: Annotated[str, Field(description="base 64")]
    time_cost: int
    memory_kib: int
    parallelism: int
    hash_bytes: int
    mac: Annotated[str, Field(description="HMAC-SHA256(K_desktop, Argon2id(password)), base 64")]


class Revocation(BaseModel):
    """Somebody may no longer sign in on the strength of a lease older than `no`; applied before any row."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    no: Annotated[int, Field(ge=1)]
    user_id: str
    reason: Literal["disabled", "deleted", "out_of_scope", "password_changed", "permissions_changed"]
    at: Annotated[int, Field(description="Unix milliseconds")]


class Signed(_Message):
    """What every message down carries inside its signature: whom it is for, on which topic, from when."""

    aud: ClientIdField
    topic: str
    iat: Annotated[int, Field(description="Unix milliseconds of the server")]


class Page(Signed):
    """Rows of one checkpoint; the last page has `next` None, and only then does the desktop swap.

    In a snapshot what no page named is gone.
    """

    type: Literal["page"] = "page"
    req: Request
    mode: Literal["delta", "snapshot"]
    checkpoint: Cursor
    next: str | None = None
    rows: Annotated[list[SyncedRow], Field(max_length=MAX_PAGE_ROWS)] = []
    revocations: list[Revocation] = []
    leases: Annotated[dict[str, str], Field(description="user id → lease, a compact JWS")] = {}
    verifiers: Annotated[dict[str, PasswordVerifier], Field(description="user id → how to check the password")] = {}
    checksum: Annotated[
        dict[str, tuple[int, str]] | None, Field(description="last page: entity → rows in scope and sum of digests")
    ] = None
    head: Annotated[int, Field(ge=0, description="the log's newest cursor: above `checkpoint` there is more")] = 0


class Answer(Signed):
    """What became of a push."""

    type: Literal["answer"] = "answer"
    req: Request
    outcomes: list[OperationOutcome]


class PullRefused(Signed):
    """A pull or push that cannot be served as it is: `snapshot_needed`, `not_a_desktop`, `bad_message`, `try_later`."""

    type: Literal["refused"] = "refused"
    req: Request
    code: str
    detail: str = ""
    retry_after_ms: int | None = None


DOWN: Final[TypeAdapter[Page | Answer | PullRefused]] = TypeAdapter(
    Annotated[Page | Answer | PullRefused, Field(discriminator="type")], config=ConfigDict(defer_build=True)
)


class Lease(BaseModel):
    """Lets one user sign in offline on one desktop until `exp`, with what they may do: the payload of a compact JWS."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    v: Literal[1] = 1
    sub: Annotated[str, Field(description="user id")]
    aud: ClientIdField
    username: str
    roles: list[str]
    permissions: list[str]
    iat: Annotated[int, Field(description="Unix seconds")]
    exp: Annotated[int, Field(description="Unix seconds")]
    rev: Annotated[int, Field(description="the newest revocation when it was issued")]


class ServiceKeys(BaseModel):
    """`GET /api/sync/keys` and `GET /api/commands/keys`: public keys that an agent fetches when it enrols."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    keys: Annotated[list[dict[str, Any]], Field(description="EC P-256 public JWKs with kid: whose signature counts")]
    seal_key: Annotated[str | None, Field(description="X25519 public key, base 64: what to seal to")] = None


# -- checksum -----------------------------------------------------------------------------------------------------------


# Made once: json.dumps would make one for each row.
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def row_digest(entity: str, row_id: str, version: int, fields: dict[str, Any]) -> int:
    """Return a row's 63-bit digest: what both sides sum up to see whether they hold the same."""
    text = _CANONICAL.encode([entity, row_id, version, fields])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def digest_sum(digests: Iterable[int]) -> str:
    """Return the sum modulo 2^64 as 16 hex digits."""
    return f"{sum(digests) % 2**64:016x}"
