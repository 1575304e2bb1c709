"""What a request to another service must not cost."""

from __future__ import annotations

from importlib.util import find_spec


def test_httpcore_asks_for_the_loops_library_without_searching_the_whole_path() -> None:
    """It tries to import sniffio four times a request; an import that fails is searched for anew each time."""
    assert find_spec("sniffio") is not None
