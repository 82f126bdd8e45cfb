"""The mounted folder is followed as kubelet changes it; what breaks keeps its last good value."""

import asyncio
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.loops import eventually
from wsgate_dataplane.snapshot import mounted_secrets as module
from wsgate_dataplane.snapshot.mounted_secrets import SecretsWatcher


class House:
    """A folder as a mounted Secret, and what its watcher has told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[Mapping[str, object]] = []
        self.watcher = SecretsWatcher(folder, read, self.told.append)
        self._generation = 0

    def mount(self, **files: str) -> None:
        """Swap to these files, all of them at once, as kubelet does."""
        self.folder.mkdir(exist_ok=True)
        self._generation += 1
        fresh = self.folder / f"..{self._generation}"
        fresh.mkdir()
        for name, text in files.items():
            (fresh / f"{name}.pem").write_text(text)
        (self.folder / "..data_tmp").symlink_to(fresh.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")
        shutil.rmtree(self.folder / f"..{self._generation - 1}", ignore_errors=True)

    def poll(self) -> Mapping[str, object]:
        """Look once; the latest that was told."""
        asyncio.run(self.watcher.poll())
        return self.told[-1]


def read(content: bytes) -> object:
    """Equal for equal contents, and yet each a new object."""
    if content.startswith(b"broken"):
        raise ValueError("it is broken")
    return (content.decode(),)


def fields(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    return [vars(line)["fields"] for line in caplog.records if line.getMessage() == message]


@pytest.fixture
def house(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> House:
    caplog.set_level(logging.INFO, "wsgate")
    logging.getLogger("wsgate").propagate = True
    return House(tmp_path / "mounted")


def test_every_file_is_a_value_under_its_id(house: House) -> None:
    house.mount(a="one", b="two")
    assert house.poll() == {"a": ("one",), "b": ("two",)}


def test_a_content_that_stays_is_the_same_value_through_a_swap(house: House) -> None:
    house.mount(a="one", b="two")
    before = house.poll()
    house.mount(a="one", b="new")
    after = house.poll()
    assert after["a"] is before["a"] and after["b"] == ("new",)
    house.mount(a="one", b="new")
    house.poll()
    assert len(house.told) == 2, "a swap without a change is told to nobody"


def test_a_broken_file_keeps_its_last_good_value_and_says_why_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.mount(a="one")
    house.poll()
    house.mount(a="broken", b="broken")
    for _ in range(2):
        assert house.poll() == {"a": ("one",)}
    assert fields(caplog, "client certificate not used") == [
        {"file": "a.pem", "error": "it is broken", "kept": "the last good one stays"},
        {"file": "b.pem", "error": "it is broken", "kept": "its routes are not served"},
    ]
    house.mount(a="two", b="three")
    assert house.poll() == {"a": ("two",), "b": ("three",)}


def test_a_file_that_is_gone_has_no_value(house: House) -> None:
    house.mount(a="one", b="two")
    house.poll()
    house.mount(b="two")
    assert house.poll() == {"b": ("two",)}
    house.mount()
    assert house.poll() == {}


def test_a_folder_that_cannot_be_read_changes_nothing_and_is_told_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.mount(a="one")
    house.poll()
    shutil.rmtree(house.folder)
    for _ in range(2):
        assert house.poll() == {"a": ("one",)}
    assert len(fields(caplog, "folder of client certificates not read")) == 1
    house.mount(a="one")
    house.poll()
    assert len(house.told) == 1


def test_a_plain_folder_is_followed_too_and_drafts_are_no_files(house: House) -> None:
    house.folder.mkdir()
    (house.folder / "a.pem").write_text("one")
    (house.folder / ".a.pem.x7d").write_text("draft")
    assert house.poll() == {"a": ("one",)}
    (house.folder / "next").write_text("two")
    (house.folder / "next").rename(house.folder / "a.pem")
    assert house.poll() == {"a": ("two",)}


def test_a_file_that_is_too_long_is_not_read_to_its_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILE_BYTES_MAX", 10)
    house.mount(a="one", b="x" * 11)
    assert house.poll() == {"a": ("one",)}


def test_it_goes_on_until_it_is_cancelled(house: House) -> None:
    house.mount(a="one")

    async def scenario() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(house.watcher.run())
            await eventually(lambda: house.told)
            house.mount(a="two")
            await eventually(lambda: len(house.told) == 2)
            running.cancel()

    asyncio.run(scenario())
    assert house.told[-1] == {"a": ("two",)}


def test_a_defect_in_what_is_made_of_the_values_does_not_end_the_following(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(values: Mapping[str, object]) -> None:
        house.told.append(values)
        raise RuntimeError("a defect")

    house.watcher = SecretsWatcher(house.folder, read, fail)
    for text in ("one", "two"):
        house.mount(a=text)
        assert house.poll() == {"a": (text,)}
    assert len(fields(caplog, "client certificates not applied")) == 2
