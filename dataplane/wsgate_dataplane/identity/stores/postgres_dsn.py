"""Which addresses of a PostgreSQL can be used; known without its driver, so that `wsgate migrate` can ask too."""

from urllib.parse import urlsplit

FORM = (
    "postgres://user:password@host[:port]/database; "
    "special characters in user and password must be percent-encoded"
)


def is_usable(dsn: str) -> bool:
    """Whether it is a URL of that form; the form of libpq, key=value, is none."""
    try:
        parts = urlsplit(dsn)
        return parts.scheme in ("postgres", "postgresql") and parts.port != 0
    except ValueError:
        return False  # its message would quote a piece of the DSN, which may be one of the password
