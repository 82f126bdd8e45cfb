"""TLS contexts: shared by CA bundle, never between client certificates, and gone with the certificate."""

import gc
import ssl
import weakref

import pytest

from tests.support.certificates import authority_pem, pair
from wsgate_contract.route import UpstreamTLS
from wsgate_dataplane.upstreams.tls import (
    CONTEXTS_PER_CERTIFICATE_MAX,
    CertificateError,
    ClientCertificate,
    upstream_context,
)

PEM = b"".join(pair("client.test"))
TRUSTING = UpstreamTLS(ca_bundle=authority_pem())


def test_routes_of_one_bundle_share_a_context_and_those_with_a_certificate_another() -> None:
    certificate = ClientCertificate.from_pem(PEM)
    plain, shown = upstream_context(TRUSTING), upstream_context(TRUSTING, certificate)
    assert plain is upstream_context(TRUSTING) and shown is upstream_context(TRUSTING, certificate)
    assert plain is not shown
    assert shown is not upstream_context(UpstreamTLS(), certificate)


def test_every_context_verifies_chain_and_name() -> None:
    for context in (upstream_context(TRUSTING), upstream_context(TRUSTING, ClientCertificate.from_pem(PEM))):
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_two_certificates_are_equal_by_content_and_never_share_a_context() -> None:
    first, again = ClientCertificate.from_pem(PEM), ClientCertificate.from_pem(PEM)
    other = ClientCertificate.from_pem(b"".join(pair("client.test")))
    assert first == again and first != other
    assert first.context(None) is not again.context(None)


def test_a_certificate_takes_its_contexts_along() -> None:
    certificate = ClientCertificate.from_pem(PEM)
    gone = weakref.ref(certificate.context(TRUSTING.ca_bundle))
    del certificate
    gc.collect()
    assert gone() is None


def test_the_contexts_of_a_certificate_are_bounded() -> None:
    certificate = ClientCertificate.from_pem(PEM)
    for number in range(CONTEXTS_PER_CERTIFICATE_MAX + 3):
        certificate.context(f"# {number}\n{authority_pem()}")
    assert len(certificate._contexts) == CONTEXTS_PER_CERTIFICATE_MAX


@pytest.mark.parametrize("pem", [b"", b"junk", pair("client.test")[0], pair("a.test")[0] + pair("b.test")[1]])
def test_what_tls_cannot_use_is_refused_without_a_word_of_it(pem: bytes) -> None:
    with pytest.raises(CertificateError, match="the certificate and its key cannot be used: ") as caught:
        ClientCertificate.from_pem(pem)
    assert "BEGIN" not in str(caught.value)


def test_no_representation_shows_a_key() -> None:
    assert "PRIVATE" not in repr(ClientCertificate.from_pem(PEM))
