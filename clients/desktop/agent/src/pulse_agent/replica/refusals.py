"""Why an edit was not kept here."""

from __future__ import annotations


class EditRefusedError(Exception):
    """An edit that cannot be made here; `code` says why, the message says it in words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
