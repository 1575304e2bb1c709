"""Why a look for releases, or a download, came to nothing; the words of the local protocol (`UpdateProblem`)."""

from __future__ import annotations

from enum import StrEnum


class Problem(StrEnum):
    """See `pulse_contracts.local_updates.UpdateProblem`."""

    UNREACHABLE = "unreachable"
    NOT_OFFERED = "not_offered"
    NO_KEYS = "no_keys"
    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    EXPIRED = "expired"
    ROLLED_BACK = "rolled_back"
    WRONG_SIZE = "wrong_size"
    WRONG_HASH = "wrong_hash"
    NOT_WRITTEN = "not_written"


class UpdateError(Exception):
    """It came to nothing; the message is in English, for the log and for details."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem
