"""Client certificates in folders: each route finds its own namespace's, and what is missing is named."""

import time
from pathlib import Path

import pytest

from tests.support.certificates import pair
from wsgate_operator.sources.secret_folders import GONE_SECONDS, SecretFolders
from wsgate_operator.translate.client_certificate import SecretRef
from wsgate_operator.translate.holdings import UNUSED_SECONDS, copies_of, states_of

NOW = time.time()
OWN, SHOP = SecretRef("default", "client"), SecretRef("shop", "client")


def put(folder: Path, *, is_whole: bool = True) -> bytes:
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = pair("client.test")
    (folder / "tls.crt").write_bytes(certificate)
    if is_whole:
        (folder / "tls.key").write_bytes(key)
    return certificate + key


def message(folders: SecretFolders, ref: SecretRef = OWN, now: float = NOW) -> str:
    state = states_of(folders.look([ref], now))[ref.id]
    assert state.fault is not None
    return state.fault.message


def test_the_root_namespaces_folder_bears_the_name_and_others_stand_in_their_namespaces(tmp_path: Path) -> None:
    own, shops = put(tmp_path / "client"), put(tmp_path / "shop/client")
    folders = SecretFolders(tmp_path, "default")
    assert copies_of(folders.look([OWN, SHOP], NOW)) == {OWN.id: own, SHOP.id: shops}


def test_a_route_of_another_namespace_does_not_get_the_roots(tmp_path: Path) -> None:
    put(tmp_path / "client")
    assert f"no folder {tmp_path}/shop/client" in message(SecretFolders(tmp_path, "default"), SHOP)


def test_what_is_missing_is_named_with_the_field(tmp_path: Path) -> None:
    folders = SecretFolders(tmp_path, "default")
    text = message(folders)
    assert text.startswith("spec.upstreamTLS.clientCertificateRef: ")
    assert f"no folder {tmp_path}/client: make it, with tls.crt and tls.key in it" in text
    put(tmp_path / "client", is_whole=False)
    assert f"no file {tmp_path}/client/tls.key" in message(folders)
    (tmp_path / "client/tls.key").write_text("junk")
    assert f"{tmp_path}/client: tls.key holds no private key in PEM" in message(folders)
    assert "give --secrets-dir DIR, with client/ in it" in message(SecretFolders(None, "default"))


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    put(tmp_path / "client", is_whole=False)
    (tmp_path / "client/tls.key").mkdir()
    assert "tls.key cannot be read: Is a directory" in message(SecretFolders(tmp_path, "default"))


def test_a_folder_that_may_not_be_searched_is_a_fault_of_what_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", forbidden)
    assert f"{tmp_path}/client cannot be read: Permission denied" in message(SecretFolders(tmp_path, "default"))


def test_a_change_of_any_file_is_seen_and_nothing_else(tmp_path: Path) -> None:
    put(tmp_path / "client")
    folders = SecretFolders(tmp_path, "default")
    folders.look([OWN], NOW)
    assert not folders.has_changed(NOW)
    (tmp_path / "note").write_text("x")
    assert not folders.has_changed(NOW)
    renewed = put(tmp_path / "client")
    assert folders.has_changed(NOW)
    assert copies_of(folders.look([OWN], NOW)) == {OWN.id: renewed}


def test_a_broken_one_keeps_its_copy_and_one_that_is_gone_does_so_for_a_while(tmp_path: Path) -> None:
    copy = put(tmp_path / "client")
    folders = SecretFolders(tmp_path, "default")
    folders.look([OWN], NOW)
    (tmp_path / "client/tls.crt").write_text("junk")
    assert copies_of(folders.look([OWN], NOW)) == {OWN.id: copy}
    (tmp_path / "client/tls.crt").unlink()
    assert copies_of(folders.look([OWN], NOW)) == {OWN.id: copy}
    assert not folders.has_changed(NOW) and folders.has_changed(NOW + GONE_SECONDS)
    assert copies_of(folders.look([OWN], NOW + GONE_SECONDS)) == {}


def test_a_copy_that_no_route_names_goes_in_time(tmp_path: Path) -> None:
    put(tmp_path / "client")
    folders = SecretFolders(tmp_path, "default")
    folders.look([OWN], NOW)
    assert copies_of(folders.look([], NOW)).keys() == {OWN.id}
    assert folders.has_changed(NOW + UNUSED_SECONDS)
    assert folders.look([], NOW + UNUSED_SECONDS) == {}
