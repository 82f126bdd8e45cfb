"""What stands in the request line to the upstream."""

from functools import lru_cache

from wsgate_contract.route import Route


def upstream_target(route: Route, upstream_url: str, path: str, query: str) -> str:
    """Path and query for the upstream; path and query are the client's, as sent."""
    own_path, own_query = _split(upstream_url)
    if route.append_path:
        suffix = path[len(route.prefix.rstrip("/")) :]
        own_path = own_path.rstrip("/") + suffix if suffix else own_path
    # The upstream's own parameters come first: most servers let the first one of a name win.
    theirs = query if route.preserve_query else ""
    merged = f"{own_query}&{theirs}" if own_query and theirs else own_query or theirs
    return f"{own_path or '/'}?{merged}" if merged else own_path or "/"


@lru_cache(maxsize=1024)
def _split(url: str) -> tuple[str, str]:
    """By hand: urlsplit would drop and rewrite characters that the route's author wrote."""
    rest = url.partition("://")[2]
    before, _, query = rest.partition("?")
    _, slash, path = before.partition("/")
    return slash + path, query
