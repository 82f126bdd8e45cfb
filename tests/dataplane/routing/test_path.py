"""Unsafe paths are refused; everything else passes unchanged."""

import posixpath
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wsgate_dataplane.routing.path import path_problem


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/a",
        "/a/",
        "/a/b.c/d..e",
        "/...",
        "/a;v=1",
        "/%41%c3%a9",
        "/a%20b",
        "/~a!$&'()*+,;=:@-_",
        "/.wsgate/x",
    ],
)
def test_an_ordinary_path_has_no_problem(path: str) -> None:
    assert path_problem(path) is None


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("", "begins with /"),
        ("a/b", "begins with /"),
        ("*", "begins with /"),
        ("http://host/a", "begins with /"),
        ("//a", "//"),
        ("/a//b", "//"),
        ("/a//", "//"),
        ("/.", "dot segment"),
        ("/..", "dot segment"),
        ("/a/../b", "dot segment"),
        ("/a/./b", "dot segment"),
        ("/a/..", "dot segment"),
        ("/a/..;/b", "dot segment"),
        ("/a/.;x=1/b", "dot segment"),
        ("/%2e%2e/a", "encoded dot"),
        ("/a%2Eb", "encoded dot"),
        ("/a%2fb", "encoded slash"),
        ("/a%2Fb", "encoded slash"),
        ("/a%5cb", "encoded backslash"),
        ("/a%5Cb", "encoded backslash"),
        ("/a%00b", "encoded NUL"),
        ("/a\\b", "'\\\\'"),
        ("/a\x00b", "'\\x00'"),
        ("/a\nb", "'\\n'"),
        ("/a\x7fb", "'\\x7f'"),
        ("/a b", "' '"),
        ("/é", "character"),
        ("/a\udcffb", "character"),
        ("/a?b", "'?'"),
        ("/a#b", "'#'"),
        ("/a%", "malformed"),
        ("/a%4", "malformed"),
        ("/a%zz", "malformed"),
        ("/a%%41", "malformed"),
        ("/a%u0041", "malformed"),
    ],
)
def test_an_unsafe_path_is_refused_with_its_fault(path: str, told: str) -> None:
    assert told in (path_problem(path) or "")


@given(st.text(alphabet=st.sampled_from("/.a;%2eEfF5cC0?\\ é"), max_size=12).map("/".__add__))
@example("/a/%2E./b")
@example("/..%3b/a")
def test_no_reading_of_an_accepted_path_leaves_its_folder(path: str) -> None:
    if path_problem(path) is not None:
        return
    decoded = unquote_to_bytes(path)
    assert b"\\" not in decoded and b"\0" not in decoded
    assert posixpath.normpath(decoded) == (decoded.rstrip(b"/") or b"/")


@given(st.text())
def test_any_text_gives_an_answer_that_can_be_logged(path: str) -> None:
    problem = path_problem(path)
    assert problem is None or problem.isprintable() or not path.isprintable()
