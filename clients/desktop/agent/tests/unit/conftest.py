"""What unit tests share."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def peer(sync_peer: Any) -> Any:
    """The server's side: here it can only be sync's."""
    return sync_peer
