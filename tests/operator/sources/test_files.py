"""Files change, break, vanish and come back; what was good stays good."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.operator.objects import document
from wsgate_operator.resources.wsroute import WsRoute
from wsgate_operator.sources.files import FileSource, Loaded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.mkdir()
    return path


def route(name: str, **spec: str) -> str:
    return yaml.safe_dump(document("WsRoute", name, {"prefix": f"/{name}", "upstream": "ws://a", **spec}))


def settle(path: Path, seconds: int = 1_000_000_000) -> None:
    """Date a file back, past the time in which a second write might share its stamp."""
    os.utime(path, (seconds, seconds))


def keys(loaded: Loaded) -> list[str]:
    return [found.key for found in loaded.objects]


def prefixes(loaded: Loaded) -> list[str]:
    return [found.spec.prefix for found in loaded.objects if isinstance(found, WsRoute)]


def test_top_level_files_are_read_in_order_of_their_names(folder: Path) -> None:
    (folder / "b.yaml").write_text(route("b"))
    (folder / "a.yml").write_text(route("a"))
    for skipped in (".hidden.yaml", "c.yaml~", "#d.yaml#", "e.yaml.swp", "f.txt", "~g.yaml"):
        (folder / skipped).write_text("broken: [")
    (folder / "sub.yaml").mkdir()
    (folder / "sub.yaml" / "x.yaml").write_text("broken: [")
    loaded = FileSource(folder, "default").load()
    assert (keys(loaded), loaded.problems) == (["default/a", "default/b"], ())
    assert loaded.places == {("WsRoute", "default/a"): "a.yml:1", ("WsRoute", "default/b"): "b.yaml:1"}


def test_a_broken_file_keeps_its_last_good_objects(folder: Path) -> None:
    (folder / "a.yaml").write_text(route("a"))
    (folder / "b.yaml").write_text(route("b"))
    source = FileSource(folder, "default")
    source.load()
    (folder / "a.yaml").write_text(route("a2") + "---\n" + route("bad", prefix="bad"))
    (folder / "b.yaml").write_text(route("b2"))
    loaded = source.load()
    assert keys(loaded) == ["default/a", "default/b2"]
    assert [problem.path for problem in loaded.problems] == ["spec.prefix"]
    (folder / "a.yaml").write_text(route("a2"))
    assert keys(source.load()) == ["default/a2", "default/b2"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: [", b" \n", b"kind: WsRoute", b"a: 1\na: 2"])
def test_whatever_breaks_a_file_its_last_good_objects_stay(folder: Path, content: bytes) -> None:
    (folder / "a.yaml").write_text(route("a"))
    source = FileSource(folder, "default")
    source.load()
    (folder / "a.yaml").write_bytes(content)
    loaded = source.load()
    assert keys(loaded) == ["default/a"]
    assert loaded.problems


def test_a_vanished_file_is_a_deletion_at_the_second_look(folder: Path) -> None:
    (folder / "a.yaml").write_text(route("a"))
    (folder / "b.yaml").write_text(route("b"))
    source = FileSource(folder, "default")
    source.load()
    (folder / "a.yaml").unlink()
    assert source.has_changed()
    assert keys(source.load()) == ["default/a", "default/b"]
    assert source.has_changed()
    assert keys(source.load()) == ["default/b"]


def test_a_file_that_an_editor_moved_away_for_a_moment_is_not_deleted(folder: Path) -> None:
    (folder / "a.yaml").write_text(route("a"))
    source = FileSource(folder, "default")
    source.load()
    (folder / "a.yaml").rename(folder / "a.yaml~")
    assert keys(source.load()) == ["default/a"]
    (folder / "a.yaml").write_text(route("a2"))
    assert keys(source.load()) == ["default/a2"]
    (folder / "a.yaml").rename(folder / "a.yaml~")
    assert keys(source.load()) == ["default/a2"]


def test_a_vanished_directory_removes_nothing(folder: Path) -> None:
    (folder / "a.yaml").write_text(route("a"))
    source = FileSource(folder, "default")
    source.load()
    folder.rename(folder.with_name("away"))
    assert source.has_changed()
    for _ in range(3):
        loaded = source.load()
        assert keys(loaded) == ["default/a"]
        assert "nothing is removed until it is back" in str(loaded.problems[0])
    assert not source.has_changed()
    folder.with_name("away").rename(folder)
    assert source.has_changed()
    assert source.load().problems == ()


def test_a_vanished_single_file_removes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text("- {prefix: /a, upstream: 'ws://a'}\n")
    source = FileSource(path, "default")
    assert [entry.prefix for entry in source.load().legacy] == ["/a"]
    path.unlink()
    for _ in range(3):
        loaded = source.load()
        assert [entry.prefix for entry in loaded.legacy] == ["/a"]
        assert loaded.problems


def test_an_empty_routes_file_says_how_to_mean_it(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text("")
    (problem,) = FileSource(path, "default").load().problems
    assert str(problem) == (
        "routes.yaml: is empty, perhaps half-written; write [] for no routes, or delete the file"
    )
    path.write_text("[]")
    assert FileSource(path, "default").load() == Loaded()


def test_a_single_file_of_objects_is_read(tmp_path: Path) -> None:
    path = tmp_path / "any.name"
    path.write_text("\ufeff" + route("a"))
    assert keys(FileSource(path, "default").load()) == ["default/a"]


def test_an_object_in_two_files_is_a_problem_that_names_both(folder: Path) -> None:
    (folder / "a.yaml").write_text(route("x", prefix="/first"))
    (folder / "b.yaml").write_text(route("x", prefix="/second"))
    loaded = FileSource(folder, "default").load()
    assert [str(problem) for problem in loaded.problems] == [
        "b.yaml:1: metadata.name: WsRoute default/x is also in a.yaml:1, which counts; "
        "rename or remove one of the two"
    ]
    assert [found.key for found in loaded.objects] == ["default/x"]
    assert loaded.objects[0].to_document()["spec"]["prefix"] == "/first"


def test_a_mounted_config_map_is_read_through_its_links(folder: Path) -> None:
    (folder / "..v1").mkdir()
    (folder / "..v1" / "a.yaml").write_text(route("a"))
    (folder / "..data").symlink_to("..v1")
    (folder / "a.yaml").symlink_to("..data/a.yaml")
    source = FileSource(folder, "default")
    assert keys(source.load()) == ["default/a"]
    (folder / "..v2").mkdir()
    (folder / "..v2" / "a.yaml").write_text(route("b"))
    (folder / "..tmp").symlink_to("..v2")
    (folder / "..tmp").rename(folder / "..data")
    assert source.has_changed()
    assert keys(source.load()) == ["default/b"]


def test_nothing_has_changed_until_something_does(folder: Path) -> None:
    (folder / "a.yaml").write_text(route("a"))
    settle(folder / "a.yaml")
    source = FileSource(folder, "default")
    assert source.has_changed()
    source.load()
    assert not source.has_changed()


@pytest.mark.parametrize("how", ["rewrite", "touch", "rename", "add", "remove", "mode"])
def test_every_kind_of_change_is_seen(folder: Path, how: str) -> None:
    path = folder / "a.yaml"
    path.write_text(route("a"))
    settle(path)
    source = FileSource(folder, "default")
    source.load()
    match how:
        case "rewrite":
            path.write_text(route("b"))
        case "touch":
            settle(path, 1_000_000_001)
        case "rename":
            (folder / ".new").write_text(route("b"))
            (folder / ".new").rename(path)
        case "add":
            (folder / "b.yaml").write_text(route("b"))
        case "remove":
            path.unlink()
        case "mode":
            path.chmod(0o600)
    assert source.has_changed()


def test_a_file_written_just_now_is_read_once_more(folder: Path) -> None:
    # A second write in the same tick of the file system's clock would leave the same stamp.
    path = folder / "a.yaml"
    path.write_text(route("a"))
    source = FileSource(folder, "default")
    source.load()
    assert source.has_changed()
    settle(path)
    source.load()
    assert not source.has_changed()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary() | st.text().map(str.encode))
def test_any_content_loads_with_objects_or_problems(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "routes.yaml"
    path.write_bytes(content)
    loaded = FileSource(path, "default").load()
    assert all(problem.message for problem in loaded.problems)


def test_what_is_in_force_is_not_put_out_by_a_new_file_of_an_earlier_name(folder: Path) -> None:
    (folder / "b.yaml").write_text(yaml.safe_dump(document("TokenRevocation", "x", {"subject": "carol"})))
    source = FileSource(folder, "default")
    source.load()
    (folder / "a.yaml").write_text(yaml.safe_dump(document("TokenRevocation", "x", {"subject": "dave"})))
    loaded = source.load()
    assert [found.spec.subject for found in loaded.objects] == ["carol"]  # type: ignore[union-attr]  # both are revocations
    assert len(loaded.problems) == 1


def test_a_pipe_is_named_and_does_not_block(folder: Path) -> None:
    os.mkfifo(folder / "pipe.yaml")
    (problem,) = FileSource(folder, "default").load().problems
    assert "not a regular file" in str(problem)


def test_only_what_has_changed_is_read_again_and_the_rest_are_the_same_objects(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (folder / f"{name}.yaml").write_text(route(name))
        settle(folder / f"{name}.yaml")
    (folder / "broken.yaml").write_text("kind: [")
    settle(folder / "broken.yaml")
    source = FileSource(folder, "default")
    before = source.load()
    (folder / "b.yaml").write_text(route("b", prefix="/other"))
    settle(folder / "b.yaml", 1_000_000_001)
    seen: list[str] = []

    def noted(path: str, mode: str) -> Any:
        seen.append(Path(path).name)
        return open(path, mode)

    monkeypatch.setattr("wsgate_operator.sources.files.open", noted, raising=False)
    after = source.load()
    # What is broken is told of each time.
    assert seen == ["b.yaml", "broken.yaml"]
    assert after.problems == before.problems
    assert [new is old for new, old in zip(after.objects, before.objects, strict=True)] == [True, False, True]


def test_what_was_written_lately_is_read_at_each_load(folder: Path) -> None:
    # A file system of coarse time, such as FAT, shows no second write.
    path = folder / "a.yaml"
    path.write_text(route("a", prefix="/one"))
    stamp = time.time_ns()
    os.utime(path, ns=(stamp, stamp))
    source = FileSource(folder, "default")
    source.load()
    with path.open("r+") as file:
        file.write(route("a", prefix="/two"))
    os.utime(path, ns=(stamp, stamp))
    assert prefixes(source.load()) == ["/two"]


def test_a_link_that_goes_and_returns_counts_again(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "target").write_text(route("a"))
    settle(tmp_path / "target")
    link = folder / "a.yaml"
    link.symlink_to("../target")
    source = FileSource(folder, "default")
    assert keys(source.load()) == ["default/a"]
    link.unlink()
    source.load()
    assert keys(source.load()) == []
    link.symlink_to("../target")
    assert source.has_changed()
    assert keys(source.load()) == ["default/a"]


def test_a_link_that_is_turned_while_it_is_read_and_turned_back_is_read_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(route("a", prefix=f"/{name}"))
        settle(tmp_path / name)
    link = folder / "a.yaml"
    link.symlink_to("../one")
    source = FileSource(folder, "default")

    def turn(target: str) -> None:
        link.unlink()
        link.symlink_to(f"../{target}")

    def turning(path: str, mode: str) -> Any:
        turn("two")
        return open(path, mode)

    with monkeypatch.context() as patch:
        patch.setattr("wsgate_operator.sources.files.open", turning, raising=False)
        source.load()
    turn("one")
    assert prefixes(source.load()) == ["/one"]


def test_a_link_to_itself_is_a_problem_of_its_own(folder: Path) -> None:
    (folder / "a.yaml").write_text(route("a"))
    (folder / "loop.yaml").symlink_to("loop.yaml")
    loaded = FileSource(folder, "default").load()
    assert keys(loaded) == ["default/a"]
    (problem,) = loaded.problems
    assert "loop.yaml" in str(problem)


def test_a_file_that_the_system_could_not_read_is_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.yaml").write_text(route("a"))
    settle(folder / "a.yaml")
    source = FileSource(folder, "default")

    def exhausted(path: str, mode: str) -> Any:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("wsgate_operator.sources.files.open", exhausted, raising=False)
        assert len(source.load().problems) == 1
    assert source.has_changed()
    assert keys(source.load()) == ["default/a"]


def test_no_item_of_a_long_list_is_left_out(folder: Path) -> None:
    items = [document("TokenRevocation", f"r{number}", {"subject": f"u{number}"}) for number in range(10_002)]
    (folder / "list.yaml").write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": items}))
    loaded = FileSource(folder, "default").load()
    assert (len(loaded.objects), loaded.problems) == (10_002, ())


@pytest.mark.parametrize("text", ["kind: 0x{}", "0x{}"])
def test_a_number_that_python_will_not_print_is_a_problem(folder: Path, text: str) -> None:
    (folder / "a.yaml").write_text(text.format("f" * 6000))
    assert len(FileSource(folder, "default").load().problems) == 1
