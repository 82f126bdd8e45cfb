"""A folder of objects whose file system hangs."""

import threading

import pytest

from wsgate_operator.sources.files import FileSource

HANGS_SECONDS = 30


class HangingFolder:
    """From now on each look at the folder hangs until it may go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_inside = threading.Event()
        self.may_go = threading.Event()
        self.is_over = threading.Event()
        look = FileSource.has_changed

        def hang(source: FileSource) -> bool:
            self.is_inside.set()
            self.may_go.wait(HANGS_SECONDS)
            self.is_over.set()
            return look(source)

        monkeypatch.setattr(FileSource, "has_changed", hang)
