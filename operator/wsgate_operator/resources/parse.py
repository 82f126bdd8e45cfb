"""A document becomes an object that cannot be wrong, or an error that says what is."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from wsgate_operator.resources.invalid import FieldError, InvalidObject, explain, nearest, shown
from wsgate_operator.resources.legacy import LegacyRoute, LegacyRoutes
from wsgate_operator.resources.metadata import API_VERSION, GROUP
from wsgate_operator.resources.tokenrevocation import TokenRevocation
from wsgate_operator.resources.wsroute import WsRoute

GatewayObject = WsRoute | TokenRevocation

KINDS: Mapping[str, type[WsRoute] | type[TokenRevocation]] = {
    "WsRoute": WsRoute,
    "TokenRevocation": TokenRevocation,
}


def is_foreign(document: Mapping[str, Any]) -> bool:
    """Whether the document is an object of somebody else's, such as a ConfigMap.

    A misspelt kind of our group, or our kind under another apiVersion, is ours: ignoring it
    could leave a revocation out.
    """
    kind, api_version = document.get("kind"), document.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(api_version, str):
        return False
    return kind.lower() not in {name.lower() for name in KINDS} and not api_version.startswith(GROUP)


def parse_object(document: object) -> GatewayObject:
    """Validate one JSON-shaped document; raises InvalidObject."""
    if not isinstance(document, Mapping):
        raise InvalidObject(
            [FieldError((), f"expected an object, found {shown(document)}", "begin with apiVersion and kind")]
        )
    model = _model_of(document)
    try:
        return model.model_validate_json(_as_json(document))
    except ValidationError as error:
        raise InvalidObject(explain(error, model)) from error


def parse_legacy(document: list[Any]) -> tuple[LegacyRoute, ...]:
    """Validate the original gateway's list of routes; raises InvalidObject."""
    try:
        return LegacyRoutes.model_validate_json(_as_json({"routes": document})).routes
    except ValidationError as error:
        raise InvalidObject(
            [FieldError(found.location[1:], found.message, found.fix) for found in explain(error, LegacyRoutes)]
        ) from error


def _model_of(document: Mapping[str, Any]) -> type[WsRoute] | type[TokenRevocation]:
    kind = document.get("kind")
    if "kind" not in document:
        fix = f"add apiVersion: {API_VERSION} and kind: WsRoute or TokenRevocation"
        if "sha256" in document and "format" in document:
            fix = "this is a rendered file, the gateway's output; give the objects it was made from"
        raise InvalidObject([FieldError(("kind",), "is missing", fix)])
    if not isinstance(kind, str) or kind not in KINDS:
        guess = nearest(kind, tuple(KINDS)) if isinstance(kind, str) else None
        message = f"expected WsRoute or TokenRevocation, found {shown(kind)}"
        raise InvalidObject([FieldError(("kind",), message, f'write "{guess or "WsRoute"}"')])
    return KINDS[kind]


def _as_json(document: object) -> str:
    try:
        return json.dumps(document)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidObject(
            [FieldError((), f"not expressible as JSON: {error}", "use texts, numbers, lists and mappings")]
        ) from error
