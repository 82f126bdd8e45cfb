"""A rendered file is proven as a whole and read item by item."""

import gzip
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wsgate_contract.rendered import RenderedDocumentError, build, digest
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.revocation_log import member_of
from wsgate_dataplane.snapshot import files
from wsgate_dataplane.snapshot.files import RoutesFile, load_revocations, load_routes

CHAT = {"namespace": "shop", "name": "chat", "prefix": "/chat", "upstream": "ws://chat.test/ws"}
NEWS = {"namespace": "shop", "name": "news", "prefix": "/news", "upstream": "ws://news.test/ws"}
ALICE = {"id": "shop/alice", "namespace": "shop", "subject": "alice"}


def written(path: Path, document: object) -> Path:
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document, sort_keys=True))
    return path


def routes(folder: Path, *items: dict[str, Any]) -> RoutesFile:
    return load_routes(written(folder / "routes.yaml", build("routes", items, 7)))


def fault(folder: Path, document: object) -> str:
    with pytest.raises(RenderedDocumentError) as caught:
        load_routes(written(folder / "routes.yaml", document))
    return str(caught.value)


def test_routes_are_read_with_version_and_digest(tmp_path: Path) -> None:
    file = routes(tmp_path, CHAT, NEWS)
    assert [route.key for route in file.routes] == ["shop/chat", "shop/news"]
    assert (file.version, file.sha256, file.invalid) == (7, digest([CHAT, NEWS]), ())


def test_a_proven_file_without_routes_serves_none(tmp_path: Path) -> None:
    assert routes(tmp_path).routes == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rateLimits": {"messagesPerSecond": 1}}, "rateLimits"),
        ({"auth": {"mod": "Anonymous"}}, "auth.mod"),
        ({"prefix": "no-slash"}, "prefix"),
        ({"upstream": None}, "upstream"),
        ({"timeouts": {"idleSeconds": "60"}}, "timeouts.idleSeconds"),
    ],
)
def test_a_field_that_cannot_be_read_refuses_its_route_alone_and_is_named(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    file = routes(tmp_path, NEWS, CHAT | change)
    assert [route.key for route in file.routes] == ["shop/news"]
    (invalid,) = file.invalid
    assert invalid.key == "shop/chat"
    assert invalid.document == CHAT | change
    assert told in invalid.detail


def test_an_unknown_field_outside_of_the_routes_is_ignored(tmp_path: Path) -> None:
    document = build("routes", [CHAT], 7) | {"renderedBy": "a later operator"}
    assert len(load_routes(written(tmp_path / "routes.yaml", document)).routes) == 1


def test_layout_and_comments_do_not_count_for_the_digest(tmp_path: Path) -> None:
    text = "# by hand\n" + yaml.safe_dump(build("routes", [CHAT], 7), default_flow_style=True, sort_keys=False)
    assert load_routes(written(tmp_path / "routes.yaml", text)).sha256 == digest([CHAT])


def test_a_changed_content_under_the_old_digest_is_refused(tmp_path: Path) -> None:
    document = build("routes", [CHAT], 7)
    document["routes"][0] = CHAT | {"upstream": "ws://elsewhere.test"}
    assert "sha256" in fault(tmp_path, document)


def test_a_legacy_list_is_refused_with_what_to_do_with_it(tmp_path: Path) -> None:
    told = fault(tmp_path, [{"prefix": "/chat", "upstream": "ws://chat.test"}])
    assert "wsgate standalone --config" in told
    assert "wsgate migrate" in told


@pytest.mark.parametrize(
    "document",
    [
        "routes: [",
        "\tnot: yaml",
        "",
        "just text",
        "!!python/object/apply:os.getcwd []",
        "format: 1\nversion: 1\nsha256: x\nroutes: 2026-99-99",
        "format: 1\nversion: 1\nsha256: x\nroutes: [{since: 2026-01-01}]",
        "format: 1\nversion: 1\nsha256: x\nroutes: [{1: a, b: c}]",
        "format: 1\nversion: 1\nsha256: x\nroutes: [&a {self: *a}]",
        'format: 1\nversion: 1\nsha256: x\nroutes: [{a: "\\ud800"}]',
        "format: 1\nversion: 1\nsha256: x\nroutes: [{a: " + "[" * 5000 + "]" * 5000 + "}]",
        build("routes", [CHAT], 7) | {"format": 9},
        build("revocations", [ALICE], 7),
    ],
    ids=range(13),
)
def test_what_is_no_rendered_document_is_refused_as_a_whole(tmp_path: Path, document: object) -> None:
    assert fault(tmp_path, document)


def test_a_missing_file_is_an_os_error_and_not_an_empty_document(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_routes(tmp_path / "routes.yaml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text("{}[]:,-&*!|>'\"#% \n\tab01.~", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_and_nothing_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "routes.yaml"
    path.write_bytes(content)
    with pytest.raises(RenderedDocumentError):
        load_routes(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    item=st.dictionaries(
        st.sampled_from([*CHAT, "hostnames", "auth", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
            max_leaves=5,
        ),
    )
)
def test_any_proven_item_is_a_route_or_an_invalid_one(tmp_path: Path, item: dict[str, Any]) -> None:
    try:
        file = routes(tmp_path, item)
    except RenderedDocumentError:
        return
    assert len(file.routes) + len(file.invalid) == 1


def test_revocations_are_read_with_the_moment_of_their_confirmation(tmp_path: Path) -> None:
    document = build("revocations", [ALICE], 3, confirmed_at=1234.5)
    file = load_revocations(written(tmp_path / "revocations.yaml", document))
    assert file.members == {member_of(RevocationRecord.from_document(ALICE))}
    assert (file.version, file.confirmed_at) == (3, 1234.5)


def test_revocations_that_nobody_confirmed_say_so(tmp_path: Path) -> None:
    path = written(tmp_path / "revocations.yaml", build("revocations", [], 3))
    assert load_revocations(path).confirmed_at is None


@pytest.mark.parametrize("change", [{"unknownMatcher": "x"}, {"jti": 5}, {"id": ""}], ids=str)
def test_a_record_that_cannot_be_read_refuses_the_whole_file(tmp_path: Path, change: dict[str, Any]) -> None:
    # Serving without it would admit whom it bans.
    path = written(tmp_path / "revocations.yaml", build("revocations", [{"id": "shop/bob"}, ALICE | change], 3))
    with pytest.raises(RenderedDocumentError, match=next(iter(change))):
        load_revocations(path)


@pytest.mark.parametrize("confirmed_at", [float("nan"), float("inf"), "soon", True])
def test_a_confirmation_that_would_never_grow_stale_is_refused(tmp_path: Path, confirmed_at: object) -> None:
    document = build("revocations", [], 3) | {"confirmedAt": confirmed_at}
    with pytest.raises(RenderedDocumentError, match="confirmedAt"):
        load_revocations(written(tmp_path / "revocations.yaml", document))


def test_a_packed_file_is_read_as_the_plain_one(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml.gz"
    path.write_bytes(gzip.compress(yaml.safe_dump(build("routes", [CHAT], 7)).encode()))
    assert [route.key for route in load_routes(path).routes] == ["shop/chat"]


@pytest.mark.parametrize("content", [b"", b"plain", gzip.compress(b"format: 1")[:-9], b"\x1f\x8b\x08" + bytes(20)])
def test_what_is_no_whole_gzip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "routes.yaml.gz"
    path.write_bytes(content)
    with pytest.raises(RenderedDocumentError):
        load_routes(path)


@pytest.mark.parametrize("name", ["routes.yaml", "routes.yaml.gz"])
def test_a_file_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(files, "DOCUMENT_BYTES_MAX", 1000)
    content = b"#" * 1001
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(RenderedDocumentError, match="more than 1000 bytes"):
        load_routes(path)
