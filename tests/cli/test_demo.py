"""The demonstration shows every step, and fails when one does."""

from pathlib import Path

import pytest

from wsgate_cli import demo
from wsgate_cli.__main__ import main


def test_every_step_is_shown_and_the_status_is_zero(capsys: pytest.CaptureFixture[str], own_state: Path) -> None:
    assert main(["demo"]) == 0
    shown = capsys.readouterr().out
    for step in (
        "route applied",
        "connected",
        "echoed",
        "revocation added",
        "session closed",
        "reconnect refused",
        "explained",
        "others live on",
    ):
        assert step in shown
    assert not own_state.exists(), "a gateway of the user's may have it"


def test_a_step_that_fails_is_named_and_the_status_is_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*arguments: object) -> None:
        raise demo.StepFailed("sent 'a', got 'b'")

    monkeypatch.setattr(demo, "_echo", fail)
    assert main(["demo"]) == 1
    assert "FAILED  sent 'a', got 'b'" in capsys.readouterr().out
