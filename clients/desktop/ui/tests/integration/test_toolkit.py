"""The toolkit does not lose references: a version that did ended the process after some thousand calls."""

from __future__ import annotations

import sys
from typing import Any

from PySide6.QtWidgets import QLabel

CALLS = 1_000


def test_a_call_that_returns_nothing_takes_no_reference_to_none(qtbot: Any) -> None:
    label = QLabel()
    qtbot.addWidget(label)
    label.setText("first")
    before = sys.getrefcount(None)
    for _ in range(CALLS):
        label.setText("again")
    assert abs(sys.getrefcount(None) - before) < CALLS / 10
