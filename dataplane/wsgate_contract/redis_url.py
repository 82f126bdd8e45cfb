"""The URL of the Redis that holds the revocation log, as both components read it; no error quotes it."""

from collections.abc import Set
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

FORM = (
    "redis://[user:password@]host[:port][/db], or rediss:// for TLS; "
    "special characters in user and password must be percent-encoded"
)
TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"})
"""What may follow ? in a rediss:// URL; most other options would undo the time limits."""


@dataclass(frozen=True)
class RedisURL:
    """The parts that are judged; none holds a user or a password."""

    is_encrypted: bool
    path: str
    options: frozenset[str]

    @classmethod
    def parse(cls, url: str) -> "RedisURL | None":
        """None for what is not of the FORM."""
        try:
            parts = urlsplit(url)
            is_usable = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            return None  # its message would quote a piece of the URL, which may be one of the password
        if not is_usable:
            return None
        options = frozenset(parse_qs(parts.query, keep_blank_values=True))
        return cls(parts.scheme == "rediss", parts.path, options)

    def unknown_options(self, further: Set[str] = frozenset()) -> str:
        """Names that are neither further ones nor, with TLS, TLS_OPTIONS; cut, sorted, with commas in between."""
        allowed = further | TLS_OPTIONS if self.is_encrypted else further
        return ", ".join(sorted(name[:32] for name in self.options - allowed))
