"""Where Helm does not run, nothing here can be said; `make check-chart` fails there with the way to get it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "observability"))

from manifests import NoHelmError, helm


@pytest.fixture(scope="session", autouse=True)
def _helm() -> None:
    try:
        helm()
    except NoHelmError as error:
        pytest.skip(str(error))
