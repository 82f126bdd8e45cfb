"""The original's routes as WsRoute documents that say all of what the original did by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wsgate_cli.migration.reading import PlacedRoute
from wsgate_operator.resources.wsroute import WsRoute
from wsgate_operator.sources.problem import Problem
from wsgate_operator.translate.legacy import routes_of_legacy
from wsgate_operator.translate.options import Options
from wsgate_operator.translate.translate import translate
from wsgate_operator.translate.verdict import VerdictReason


@dataclass(frozen=True)
class Objects:
    """WsRoute documents in the file's order."""

    documents: tuple[Mapping[str, Any], ...]
    changes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def objects_of(found: Sequence[PlacedRoute], options: Options, namespace: str | None) -> Objects:
    """One document for each route that is served, with the namespace where one is given.

    The rules are those of translate, so that the documents lead to the same rendered routes as the
    original's file does.
    """
    # Whether the environment names a provider is said of the environment.
    options = replace(options, has_environment_provider=True)
    entries = [placed.value for placed in found]
    routes, warnings = routes_of_legacy(entries, options)
    verdicts = {verdict.key: verdict for verdict in translate((), options, legacy=entries).verdicts}
    documents: list[Mapping[str, Any]] = []
    changes: list[str] = []
    problems: list[Problem] = []
    for index, route in enumerate(routes):
        # The last one may be the further one at /ws, of the only entry.
        place = found[min(index, len(found) - 1)].place
        verdict = verdicts[route.key]
        if verdict.accepted:
            documents.append(route_document(route, namespace))
            changes += [f"{route.spec.prefix}: {warning}" for warning in warnings.get(route.key, ())]
        elif verdict.reason is VerdictReason.CONFLICT:
            changes.append(
                f"{place}: {route.spec.prefix}: left out: the prefix is there twice, and the first counts"
            )
        else:
            problems.append(Problem(place, verdict.message, path="prefix"))
    return Objects(tuple(documents), tuple(dict.fromkeys(changes)), tuple(problems))


def route_document(route: WsRoute, namespace: str | None) -> Mapping[str, Any]:
    """The object with everything spelt out that a WsRoute does otherwise by default; no namespace: it has none."""
    metadata = {"name": route.metadata.name} | ({} if namespace is None else {"namespace": namespace})
    spec = route.spec
    said = spec.to_document()
    explicit: dict[str, Any] = {
        "prefix": spec.prefix,
        "upstream": spec.upstream,
        "copySubProtocol": spec.copy_sub_protocol,
        "preserveQuery": spec.preserve_query,
        "auth": {**said.pop("auth", {}), "tokenSources": list(spec.auth.token_sources)},
    }
    if spec.rate_limit is not None:
        explicit["rateLimit"] = spec.rate_limit.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {
        "apiVersion": route.api_version,
        "kind": route.kind,
        "metadata": metadata,
        "spec": {**explicit, **{name: value for name, value in said.items() if name not in explicit}},
    }
