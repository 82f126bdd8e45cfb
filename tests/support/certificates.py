"""A certification authority for tests, and TLS contexts that belong to it."""

import datetime
import functools
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@functools.cache
def authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A self-signed CA, one for the whole run."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key, certificate("wsgate test CA", key, None)


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None,
    *,
    valid_hours: tuple[float, float] = (-1, 1),
) -> x509.Certificate:
    """Signed by its own key without an issuer; valid from and until so many hours from now."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[1].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(hours=valid_hours[0]))
        .not_valid_after(now + datetime.timedelta(hours=valid_hours[1]))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        # Python 3.13 verifies strictly (RFC 5280 4.2.1): key identifiers, and a CA's key usage.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer[0] if issuer else key).public_key()),
            critical=False,
        )
    )
    if issuer is None:
        usage = dict.fromkeys(
            (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, **usage), critical=True)
    if issuer:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(issuer[0] if issuer else key, hashes.SHA256())


def pair(name: str, *, valid_hours: tuple[float, float] = (-1, 1)) -> tuple[bytes, bytes]:
    """A certificate of the CA and its key, as tls.crt and tls.key hold them."""
    key = ec.generate_private_key(ec.SECP256R1())
    issued = certificate(name, key, authority(), valid_hours=valid_hours)
    return issued.public_bytes(serialization.Encoding.PEM), key_pem(key)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def authority_pem() -> str:
    """The CA's certificate, as a caBundle holds it."""
    return authority()[1].public_bytes(serialization.Encoding.PEM).decode()


def server_context(folder: Path, name: str, *, asks_for_certificate: bool = False) -> ssl.SSLContext:
    """Of a server with that name; it may ask its clients for a certificate of the same CA, and insist."""
    certificate_pem, key = pair(name)
    path = folder / "server.pem"
    path.write_bytes(key + certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    if asks_for_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authority_pem())
    return context


def trusting_context() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority_pem())
