"""TLS towards upstreams: whom they must be, and what the gateway shows of itself."""

import hashlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

from wsgate_contract.route import UpstreamTLS

CONTEXTS_MAX = 128
"""TLS contexts that routes share, by their CA bundle: the system's takes 25 ms and 0.8 MiB to read."""
CONTEXTS_PER_CERTIFICATE_MAX = 16


class CertificateError(ValueError):
    """The text says why a certificate cannot be shown; it never quotes content."""


@dataclass(frozen=True)
class ClientCertificate:
    """A chain and its key as they were mounted; equal where the content is.

    It keeps the contexts that show it, so that they, and the key in them, go with it.
    """

    digest: str
    pem: bytes = field(repr=False, compare=False)
    _contexts: dict[str | None, ssl.SSLContext] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_pem(cls, pem: bytes) -> "ClientCertificate":
        """Raises CertificateError for what TLS cannot use."""
        found = cls(hashlib.sha256(pem).hexdigest(), pem)
        found._show(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return found

    def context(self, ca_bundle: str | None) -> ssl.SSLContext:
        """One that shows the certificate; raises ssl.SSLError for a bundle that is not PEM."""
        known = self._contexts.get(ca_bundle)
        if known is not None:
            return known
        made = _new_context(ca_bundle)
        self._show(made)
        while len(self._contexts) >= CONTEXTS_PER_CERTIFICATE_MAX:
            del self._contexts[next(iter(self._contexts))]
        self._contexts[ca_bundle] = made
        return made

    def _show(self, context: ssl.SSLContext) -> None:
        with _as_file(self.pem) as path:
            try:
                # Without a password OpenSSL would ask for one on the terminal.
                context.load_cert_chain(path, password="")
            except (ssl.SSLError, OSError) as error:
                reason = (getattr(error, "reason", None) or "not PEM").lower().replace("_", " ")
                raise CertificateError(f"the certificate and its key cannot be used: {reason}") from None


def upstream_context(tls: UpstreamTLS, certificate: ClientCertificate | None = None) -> ssl.SSLContext:
    """Verifies chain and name, always; raises ssl.SSLError for a bundle that is not PEM."""
    return _context(tls.ca_bundle) if certificate is None else certificate.context(tls.ca_bundle)


@lru_cache(maxsize=CONTEXTS_MAX)
def _context(ca_bundle: str | None) -> ssl.SSLContext:
    return _new_context(ca_bundle)


def _new_context(ca_bundle: str | None) -> ssl.SSLContext:
    # Comments of a bundle may hold any character, but ssl takes ASCII only.
    return ssl.create_default_context(cadata=ca_bundle and ca_bundle.encode("ascii", "replace").decode("ascii"))


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """The ssl module reads keys from files alone: this one has no name, and in Linux is on no disk."""
    with (
        os.fdopen(os.memfd_create("pem"), "wb")
        if hasattr(os, "memfd_create")
        else tempfile.TemporaryFile() as file
    ):
        file.write(content)
        file.flush()
        yield f"/dev/fd/{file.fileno()}"
