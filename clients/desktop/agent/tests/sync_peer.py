"""Sync's side of the protocol in memory, as a test tells it to be."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from argon2.low_level import Type, hash_secret_raw

from pulse_agent.replica.masks import laid_over
from pulse_chassis.sealing import Sealer, SealKey
from pulse_chassis.signatures import SigningKey, TrustedKeys
from pulse_contracts.operations import OPERATION_TYPE, Operation, OperationOutcome, SyncedRow
from pulse_contracts.stamps import make_stamp
from pulse_contracts.sync import (
    DOWN_TYPE,
    LEASE_TYPE,
    PLAIN_UP,
    SEALED,
    Answer,
    Lease,
    Page,
    PasswordVerifier,
    Pull,
    PullRefused,
    Push,
    Report,
    Revocation,
    ServiceKeys,
    digest_sum,
    row_digest,
)
from pulse_contracts.verifiers import verifier_mac

ANNA, BOB = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
ADMINS, READERS = str(uuid.UUID(int=11)), str(uuid.UUID(int=12))


@dataclass
class SyncPeer:
    """Sync's side, in memory: signs and seals pages, answers pulls and pushes, as a test tells it to."""

    device_id: str
    identity: Any
    clock: Any
    signing_key: SigningKey = field(default_factory=SigningKey.generate)
    seal_key: SealKey = field(default_factory=SealKey.generate)
    log: dict[tuple[str, str], tuple[int, SyncedRow]] = field(default_factory=dict)
    cursor: int = 0
    page_rows: int = 3
    revocations: list[Revocation] = field(default_factory=list)
    verifiers: dict[str, PasswordVerifier] = field(default_factory=dict)
    lease_seconds: int = 7 * 24 * 3600
    pulls: list[Pull] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    answered: dict[Any, OperationOutcome] = field(default_factory=dict)
    refuse: Callable[[Any], PullRefused | None] = field(default=lambda message: None)
    judge: Callable[[Operation], OperationOutcome | None] = field(default=lambda operation: None)

    def now_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1000)

    def keys(self) -> ServiceKeys:
        return ServiceKeys(keys=[self.signing_key.public_jwk()], seal_key=self.seal_key.public_key)

    def put(self, entity: str, row_id: str, **fields: Any) -> SyncedRow:
        """Change a row as somebody on the web does."""
        before = self.log.get((entity, row_id))
        version = before[1].version + 1 if before else 1
        return self.store(self._row(entity, row_id, version, fields))

    def remove(self, entity: str, row_id: str) -> None:
        version = self.log[entity, row_id][1].version + 1
        self.store(self._row(entity, row_id, version, {}).model_copy(update={"deleted": True}))

    def _row(self, entity: str, row_id: str, version: int, fields: dict[str, Any]) -> SyncedRow:
        stamp = make_stamp(self.now_ms())
        return SyncedRow.model_validate(
            {"entity": entity, "id": row_id, "version": version, "updated_at": stamp, "fields": fields}
        )

    def store(self, row: SyncedRow) -> SyncedRow:
        self.cursor += 1
        self.log[row.entity, row.id] = (self.cursor, row)
        return row

    def revoke(self, user_id: str, reason: Any) -> None:
        number = len(self.revocations) + 1
        self.revocations.append(Revocation(no=number, user_id=user_id, reason=reason, at=self.now_ms()))

    def set_password(self, user_id: str, password: str) -> None:
        salt = secrets.token_bytes(16)
        digest = hash_secret_raw(password.encode(), salt, 1, 64, 1, 32, Type.ID)
        self.verifiers[user_id] = PasswordVerifier(
            salt=base64.b64encode(salt).decode(),
            time_cost=1,
            memory_kib=64,
            parallelism=1,
            hash_bytes=32,
            mac=verifier_mac(self.identity.verifier_key, digest),
        )

    def rows(self, entity: str) -> dict[str, dict[str, Any]]:
        return {row.id: row.fields for _, row in self.log.values() if row.entity == entity and not row.deleted}

    def lease(self, user_id: str, **more: Any) -> str:
        fields = self.log["users", user_id][1].fields
        held = [self.log["roles", role][1].fields for role in fields["roles"] if ("roles", role) in self.log]
        now = self.now_ms() // 1000
        lease = Lease(
            sub=user_id,
            aud=self.device_id,
            username=fields["username"],
            roles=[role["name"] for role in held],
            permissions=sorted({name for role in held for name in role["permissions"]}),
            iat=now,
            exp=now + self.lease_seconds,
            rev=len(self.revocations),
        )
        return self.signing_key.sign(lease.model_copy(update=more).model_dump_json().encode(), LEASE_TYPE)

    def answer(self, payload: bytes) -> list[bytes]:
        """Return what goes down for a message that came up."""
        if payload.startswith(SEALED):
            return [self._apply(Push.model_validate_json(self.seal_key.open(payload[1:])))]
        message = PLAIN_UP.validate_json(payload)
        if isinstance(message, Report):
            self.reports.append(message)
            return []
        self.pulls.append(message)
        return [self._page(message)]

    def down(self, message: Any, **wrong: Any) -> bytes:
        key = wrong.get("key", self.signing_key)
        token = key.sign(message.model_dump_json(exclude_none=True).encode(), wrong.get("typ", DOWN_TYPE))
        return SEALED + Sealer(wrong.get("seal", self.identity.seal_key.public_key)).seal(token.encode())

    def signed(self) -> dict[str, Any]:
        return {"aud": self.device_id, "topic": f"sync/{self.device_id}/down", "iat": self.now_ms()}

    def page_for(self, pull: Pull, **more: Any) -> Page:
        since = 0 if pull.mode == "snapshot" else pull.since
        checkpoint = self.cursor if pull.checkpoint is None else pull.checkpoint
        order = ("permissions", "roles", "users", "config")
        found = sorted(
            (
                row
                for cursor, row in self.log.values()
                if cursor > since and not (pull.mode == "snapshot" and row.deleted)
            ),
            key=lambda row: (order.index(row.entity), row.id),
        )
        start = int(pull.after or 0)
        rows = found[start : start + self.page_rows]
        is_last = start + self.page_rows >= len(found)
        users = {row.id for row in rows if row.entity == "users" and not row.deleted}
        if pull.renew_leases and is_last:
            users |= self.rows("users").keys()
        leased = {user for user in users if self.log["users", user][1].fields.get("is_active")}
        fields = {
            "req": pull.req,
            "mode": pull.mode,
            "checkpoint": checkpoint,
            "next": None if is_last else str(start + self.page_rows),
            "rows": rows,
            "revocations": [made for made in self.revocations if made.no > pull.revocation_no],
            "leases": {user: self.lease(user) for user in leased},
            "verifiers": {user: self.verifiers[user] for user in users & self.verifiers.keys()},
            "checksum": self.checksum() if is_last and checkpoint == self.cursor else None,
            "head": self.cursor,
        }
        return Page.model_validate({**self.signed(), **fields, **more})

    def _page(self, pull: Pull) -> bytes:
        return self.down(self.refuse(pull) or self.page_for(pull))

    def checksum(self) -> dict[str, tuple[int, str]]:
        result = {}
        for entity in ("permissions", "roles", "users", "config"):
            rows = [row for _, row in self.log.values() if row.entity == entity and not row.deleted]
            sums = digest_sum(row_digest(entity, row.id, row.version, row.fields) for row in rows)
            result[entity] = (len(rows), sums)
        return result

    def _apply(self, push: Push) -> bytes:
        refused = self.refuse(push)
        if refused is not None:
            return self.down(refused)
        trusted = TrustedKeys([self.identity.signing_key.public_jwk()])
        outcomes = []
        for token in push.operations:
            operation = Operation.model_validate_json(trusted.open(token, OPERATION_TYPE))
            if operation.op_id not in self.answered:
                self.operations.append(operation)
                self.answered[operation.op_id] = self.judge(operation) or self._applied(operation)
            outcomes.append(self.answered[operation.op_id])
        return self.down(Answer(req=push.req, outcomes=outcomes, **self.signed()))

    def _applied(self, operation: Operation) -> OperationOutcome:
        entity, row_id, mask = operation.entity.value, operation.id, operation.fields
        before = self.log.get((entity, row_id))
        if before is not None and before[1].version != operation.base_version:
            return self.outcome(operation, "conflict_lost", row=before[1], conflict_id=uuid.uuid4())
        if mask.get("deleted"):
            self.remove(entity, row_id)
        else:
            fields = laid_over(operation.entity, before[1].fields if before else None, mask)
            row = self._row(entity, row_id, operation.base_version + 1, fields)
            self.store(row.model_copy(update={"updated_at": operation.updated_at, "source": "desktop"}))
        return self.outcome(operation, "applied", row=self.log[entity, row_id][1])

    @staticmethod
    def outcome(operation: Operation, kind: str, **more: Any) -> OperationOutcome:
        return OperationOutcome.model_validate(
            {"op_id": operation.op_id, "op_no": operation.op_no, "outcome": kind, **more}
        )
