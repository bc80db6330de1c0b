from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _importable_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers import the tasks; they are given this process's search path."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
