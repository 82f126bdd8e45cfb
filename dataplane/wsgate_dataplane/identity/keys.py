"""A JSON Web Key Set (RFC 7517), of which each usable key is built once."""

import json
from collections.abc import Mapping
from typing import Any

from wsgate_dataplane.identity.signature import KEY_TYPES, UnusableKey, VerifyingKey, build_key

KEYS_MAX = 200
"""In one set; what follows is not looked at."""


class KeySetError(ValueError):
    """The text is no key set; the message says why."""


class KeySet:
    """Chooses by kid, kty, alg, use and key_ops; keys that cannot be read are skipped and counted."""

    def __init__(self, keys: tuple[Mapping[str, Any], ...], skipped: int) -> None:
        self._keys = keys
        self._built: dict[tuple[int, str], VerifyingKey | None] = {}
        self.skipped = skipped
        """Entries that are no public key for signatures."""

    @classmethod
    def from_json(cls, text: str | bytes) -> "KeySet":
        """Raises KeySetError where the document is not a set at all; odd keys in it are skipped."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise KeySetError("not JSON") from error
        entries = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise KeySetError('no member "keys" with a list')
        usable = tuple(entry for entry in entries[:KEYS_MAX] if _may_sign(entry))
        return cls(usable, len(entries) - len(usable))

    def choose(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """The key for a token's header, or None.

        A token without kid is answered only where exactly one key fits: trying one after the other
        would let a token choose its key.
        """
        fits = [index for index, key in enumerate(self._keys) if _fits(key, kid, algorithm)]
        built = [key for index in fits if (key := self._build(index, algorithm)) is not None]
        return built[0] if len(built) == 1 else None

    def _build(self, index: int, algorithm: str) -> VerifyingKey | None:
        slot = (index, algorithm)
        if slot not in self._built:
            try:
                self._built[slot] = build_key(self._keys[index], algorithm)
            except UnusableKey:
                self._built[slot] = None
        return self._built[slot]


def _may_sign(entry: object) -> bool:
    if not isinstance(entry, dict) or entry.get("kty") not in KEY_TYPES.values():
        return False
    operations = entry.get("key_ops")
    if operations is not None and (not isinstance(operations, list) or "verify" not in operations):
        return False
    return entry.get("use") in (None, "sig")


def _fits(key: Mapping[str, Any], kid: str | None, algorithm: str) -> bool:
    if key["kty"] != KEY_TYPES.get(algorithm[:2]) or key.get("alg") not in (None, algorithm):
        return False
    return kid is None or key.get("kid") == kid
