"""What is written is read alike by every reader, and is there whole or not at all."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wsgate_cli.migration.writing import environment_text, objects_text, write_whole


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20) | st.booleans() | st.integers(), max_size=4))
def test_documents_come_back_as_they_were(document: dict[str, object]) -> None:
    assert list(yaml.safe_load_all(objects_text([document, {"a": [1]}]))) == [document, {"a": [1]}]


@pytest.mark.parametrize("word", ["y", "NO", "on", "null", "1e3", "0o7", "~", "12", "a: b", ""])
def test_words_that_readers_disagree_about_are_quoted(word: str) -> None:
    assert f'"{word}"' in objects_text([{"name": word}])


def test_usual_words_stay_without_quotes() -> None:
    assert "kind: WsRoute\nprefix: /livekit\n" in objects_text([{"kind": "WsRoute", "prefix": "/livekit"}])


def test_no_routes_are_an_empty_list() -> None:
    assert yaml.safe_load(objects_text([])) == []


def test_of_a_secret_the_env_file_has_the_name_in_a_comment() -> None:
    text = environment_text({"A": "1"}, ["REDIS_URL"])
    assert text.splitlines()[1:] == ["A=1", "# REDIS_URL: secret, not copied here"]


def test_a_file_is_replaced_at_once_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.yaml"
    write_whole(path, "one\n")
    write_whole(path, "two\n")
    assert path.read_text() == "two\n"
    assert [each.name for each in path.parent.iterdir()] == ["a.yaml"]
    with pytest.raises(OSError):
        write_whole(path / "below" / "a.yaml", "three\n")
