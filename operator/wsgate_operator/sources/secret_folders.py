"""Client certificates of `wsgate standalone`: a folder for each name, with tls.crt and tls.key in it.

A route of the root namespace finds its `clientCertificateRef` in DIR/<name>/, one of another namespace in
DIR/<namespace>/<name>/: no name holds a slash, so none reaches another namespace's.
"""

from collections.abc import Iterable
from pathlib import Path

from wsgate_operator.sources.files import FileSignature, look_at
from wsgate_operator.translate.client_certificate import (
    BYTES_MAX,
    CERTIFICATE_KEY,
    FIELD,
    PRIVATE_KEY,
    ClientCertificate,
    SecretRef,
    UnusableCertificate,
    read_pair,
)
from wsgate_operator.translate.holdings import Faulty, Found, Holdings, due_at, held_after
from wsgate_operator.translate.verdict import RefFault, VerdictReason

GONE_SECONDS = 5.0
"""How long a certificate must be missing before its copy is let go: tools replace files one by one."""
KEYS = (CERTIFICATE_KEY, PRIVATE_KEY)

Signature = tuple[FileSignature, ...]


class SecretFolders:
    """Reads what routes name, and knows whether it has changed since. Times are Unix seconds.

    directory: None where none was given; every reference is faulty then.
    """

    def __init__(self, directory: Path | None, root_namespace: str) -> None:
        self._directory = directory
        self._root_namespace = root_namespace
        self._holdings: Holdings = {}
        self._refs: tuple[SecretRef, ...] = ()
        self._signature: Signature = ()

    def has_changed(self, now: float) -> bool:
        """Whether look() may answer differently now; cheap, for polling."""
        due = due_at(self._holdings, GONE_SECONDS)
        return (due is not None and due <= now) or self._sign() != self._signature

    def look(self, refs: Iterable[SecretRef], now: float) -> Holdings:
        """What is held of all that routes name."""
        self._refs = tuple(sorted(set(refs)))
        # Taken first, so that what changes while we read counts as a change afterwards.
        self._signature = self._sign()
        found = {ref.id: self._read(ref, now) for ref in self._refs}
        self._holdings = held_after(self._holdings, found, found, now, GONE_SECONDS)
        return self._holdings

    def _read(self, ref: SecretRef, now: float) -> Found:
        if self._directory is None:
            return _faulty(f"no folder of secrets is known: give --secrets-dir DIR, with {ref.name}/ in it")
        folder = self._folder(ref)
        try:
            if not folder.is_dir():
                return _faulty(f"no folder {folder}: make it, with {' and '.join(KEYS)} in it", is_gone=True)
            return self._pair(folder, now)
        except FileNotFoundError as error:
            return _faulty(f"no file {error.filename}: put it there, in PEM", is_gone=True)
        except OSError as error:
            return _faulty(f"{error.filename} cannot be read: {error.strerror}")
        except UnusableCertificate as error:
            return _faulty(f"{folder}: {error}")

    def _pair(self, folder: Path, now: float) -> ClientCertificate:
        contents = []
        for key in KEYS:
            with (folder / key).open("rb") as file:
                contents.append(file.read(BYTES_MAX + 1))
        return read_pair(contents[0], contents[1], now)

    def _folder(self, ref: SecretRef) -> Path:
        assert self._directory is not None
        root = self._directory if ref.namespace == self._root_namespace else self._directory / ref.namespace
        return root / ref.name

    def _sign(self) -> Signature:
        if self._directory is None:
            return ()
        return tuple(look_at(str(self._folder(ref) / key)) for ref in self._refs for key in KEYS)


def _faulty(text: str, *, is_gone: bool = False) -> Faulty:
    return Faulty(RefFault(VerdictReason.INVALID_CERTIFICATE_REF, f"{FIELD}: {text}"), is_gone)
