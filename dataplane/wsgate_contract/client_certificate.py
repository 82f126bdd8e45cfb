"""Under which name the operator hands a client certificate to the data plane."""

import hashlib

ID_PATTERN = r"^[0-9a-f]{32}$"
SUFFIX = ".pem"


def certificate_id(namespace: str, name: str) -> str:
    """Opaque id of the copy of a Secret; the operator makes it, and no field of a WsRoute takes one.

    The same for as long as the Secret has its name: what is renewed in place changes no route.
    """
    # No namespace and no name holds a slash.
    return hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:32]


def file_name(id_: str) -> str:
    """Of the copy: one file in PEM, the certificate chain, its first certificate first, and then the key."""
    return f"{id_}{SUFFIX}"
