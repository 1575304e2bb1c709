"""Verifying the audit log from its first row to its last, against its own chain and everything that was signed.

The signed places are read before the rows: rows that are written meanwhile are only more.
"""

from __future__ import annotations

from contextlib import aclosing

from pulse_identity.domain.audit_chain import ChainWalk, Checkpoint, Fault, Link, Verdict
from pulse_identity.use_cases.audit_ports import AuditLog, CheckpointSigner


class VerifyAudit:
    """Verifies the audit log."""

    def __init__(self, log: AuditLog, signer: CheckpointSigner) -> None:
        self._log = log
        self._signer = signer

    async def __call__(self, known: Link | None = None) -> Verdict:
        """Return what was found; `known` is a place that the caller wrote down elsewhere, at an earlier time."""
        head = await self._log.head()
        checkpoints = await self._log.checkpoints()
        signed = [*checkpoints, *([] if head is None else [head])]
        walk = ChainWalk()
        walk.expect(checkpoint.link for checkpoint in signed)
        walk.expect([] if known is None else [known])
        forged = self._forged(signed)
        rows = 0
        async with aclosing(self._log.walk()) as stored:
            async for row in stored:
                if not walk.take(row):
                    break
                rows += 1
        # Read again: rows that were written since then are signed since then too.
        fault = walk.end() or forged or self._beyond(await self._log.head(), rows)
        return Verdict(rows, len(checkpoints), walk.last.digest, fault)

    def _forged(self, signed: list[Checkpoint]) -> Fault | None:
        for checkpoint in signed:
            if not self._signer.is_ours(checkpoint.payload(), checkpoint.signature):
                return Fault(
                    checkpoint.link.seq, "forged_checkpoint", "the signature over this place of the log is not ours"
                )
        return None

    def _beyond(self, head: Checkpoint | None, rows: int) -> Fault | None:
        if rows and head is None:
            return Fault(rows, "no_head", "the signed head of the log is gone")
        if head is not None and not self._signer.is_ours(head.payload(), head.signature):
            return Fault(head.link.seq, "forged_checkpoint", "the signature of the head is not ours")
        if head is not None and rows > head.link.seq:
            return Fault(head.link.seq + 1, "unsigned", "the signed log ends before this row; somebody else added it")
        return None
