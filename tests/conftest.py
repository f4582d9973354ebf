"""What every test may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real pictures and weights beside the project; tests that want them skip where they are absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared data folder (../shared/data), absent here")
    return SHARED
