"""The page on the window and its agent names every method, event, code and step that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulse_contracts.local_enrolment import Step
from pulse_contracts.local_protocol import METHODS, ErrorCode, EventName, RefusalCode

PAGE = (Path(__file__).resolve().parents[1] / "protocols/desktop.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*METHODS, *EventName, *ErrorCode, *RefusalCode, *Step])
def test_it_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_a_method_stands_beside_its_permission() -> None:
    for line in PAGE.splitlines():
        named = [name for name in METHODS if line.startswith("|") and f"`{name}`" in line.split("|")[1]]
        for name in named:
            permission = METHODS[name].permission
            assert permission is None or f"`{permission.value}`" in line.split("|")[2]
