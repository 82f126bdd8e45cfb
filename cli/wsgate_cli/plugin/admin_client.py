"""The admin API of one data-plane pod."""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

ANSWER_SECONDS_MAX = 10.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024


class AdminError(Exception):
    """The pod has no usable answer; the message says why and the way out. status: of its HTTP answer, if any."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def check_url(url: str) -> str:
    """The URL without a trailing slash; raises ValueError where it cannot be the base of an admin API."""
    parts = urlsplit(url)
    is_plain = parts.username is None and not parts.query and not parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain or not _has_port(url):
        raise ValueError("expected a URL such as http://127.0.0.1:9090")
    return url.rstrip("/")


def _has_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


@dataclass(frozen=True)
class AdminClient:
    """One base URL and the bearer token; a fresh connection for each request, no proxies, no redirects."""

    url: str
    token: str = field(repr=False)

    def items(self, kind: str, **filters: str | None) -> dict[str, Any]:
        """GET /admin/<kind>; the answer holds a list of objects as items; raises AdminError."""
        given = {name: value for name, value in filters.items() if value is not None}
        query = f"?{urlencode(given)}" if given else ""
        answer = self._ask("GET", f"/admin/{kind}{query}")
        items = answer.get("items")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise AdminError("the answer holds no items; is this the admin port of a wsgate of this version?")
        return answer

    def post(self, path: str, body: Mapping[str, str] | None = None) -> dict[str, Any]:
        """POST below /admin/; raises AdminError."""
        return self._ask("POST", f"/admin/{path}", json.dumps(body).encode() if body is not None else b"")

    def close_session(self, uid: str) -> None:
        """Raises AdminError, with status 404 where there is no such session."""
        self.post(f"sessions/{quote(uid, safe='')}/close")

    def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        if body:
            headers["Content-Type"] = "application/json"
        base = urlsplit(self.url)
        connection = self._connect()
        try:
            connection.request(method, base.path + path, body, headers)
            response = connection.getresponse()
            text = response.read(ANSWER_BYTES_MAX)
        except TimeoutError:
            raise AdminError(f"no answer within {ANSWER_SECONDS_MAX:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise AdminError(f"no answer: {reason}") from None
        finally:
            connection.close()
        return _read(response.status, text)

    def _connect(self) -> http.client.HTTPConnection:
        base = urlsplit(self.url)
        assert base.hostname is not None
        if base.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                base.hostname, base.port, timeout=ANSWER_SECONDS_MAX, context=context
            )
        return http.client.HTTPConnection(base.hostname, base.port, timeout=ANSWER_SECONDS_MAX)


def _read(status: int, text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not 200 <= status < 300:
        detail = document.get("detail") if isinstance(document, dict) else None
        raise AdminError(f"{status}: {detail or 'no explanation; is this the admin port of wsgate?'}", status)
    if not isinstance(document, dict):
        raise AdminError("the answer is no JSON object; is this the admin port of wsgate?")
    return document
