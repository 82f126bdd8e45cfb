"""What every test of the command line has."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder that no gateway of the user's, nor another test run, uses at the same time."""
    folder = tmp_path_factory.mktemp("own-state") / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder
