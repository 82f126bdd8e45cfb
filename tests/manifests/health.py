"""The health that Argo CD shows for an object: the shipped scripts by its own Lua version."""

from typing import Any

from lupa import lua51

from tests.manifests.objects import MANIFESTS

ARGOCD = MANIFESTS / "argocd"


def health(kind: str, document: dict[str, Any]) -> tuple[str, str]:
    """Status and message that the kind's script answers."""
    found = answer(kind, document)
    assert sorted(found) == ["message", "status"]
    return found["status"], found["message"]


def answer(kind: str, document: dict[str, Any]) -> dict[str, str]:
    """What the kind's script answers, whatever is missing in it."""
    lua = lua51.LuaRuntime()
    # As Argo CD does: no libraries that reach outside.
    lua.execute("os = nil; io = nil; package = nil; require = nil; debug = nil")
    lua.globals().obj = lua.table_from(document, recursive=True)
    return dict(lua.execute((ARGOCD / f"{kind.lower()}.lua").read_text()))
