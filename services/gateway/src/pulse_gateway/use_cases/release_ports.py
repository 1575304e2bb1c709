"""What the routes of a desktop release need: somewhere that the manifest and the packages are."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """The signed manifest, and a strong tag of its content."""

    token: bytes
    etag: str


class OpenedPackage(Protocol):
    """A package that is open for reading. Whoever has it closes it."""

    @property
    def size(self) -> int:
        """Its bytes."""
        ...

    @property
    def etag(self) -> str:
        """A strong tag, which changes with it."""
        ...

    def chunks(self, first: int, last: int) -> AsyncGenerator[bytes, None]:
        """Read from byte `first` to `last`, both included, and close it."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class ReleaseShelf(Protocol):
    """The newest release, if one is offered."""

    async def manifest(self) -> SignedManifest | None:
        """Return the manifest; None: there is none."""
        ...

    async def open(self, name: str) -> OpenedPackage | None:
        """Open a package; None: there is none of that name."""
        ...
