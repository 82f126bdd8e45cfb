"""What a refusal of the API server means, and the way out."""

from collections.abc import Mapping

from wsgate_operator.resources.metadata import GROUP

RETRY_AFTER_SECONDS_MAX = 60.0


def explain(status: int, verb: str, plural: str) -> str:
    """One sentence for people about an answer other than 200; verb is Kubernetes', such as list."""
    match status:
        case 401:
            return (
                "the API server does not accept the operator's credentials (401): check the token of its "
                "service account, or the user in KUBECONFIG"
            )
        case 403:
            return (
                f"the operator may not {verb} {plural} (403): its ClusterRole must allow the verb {verb} on "
                f"{plural}.{GROUP} in all namespaces; apply the manifests again"
            )
        case 404:
            return f"the API server does not know {plural}.{GROUP} (404): apply the CRDs in crds/"
        case 410:
            return f"the version to {verb} {plural} from is gone (410): begin anew"
        case 429:
            return f"the API server is too busy to {verb} {plural} (429): it is tried again"
        case _ if status >= 500:
            return f"the API server failed to {verb} {plural} ({status}): see its log; it is tried again"
        case _:
            return f"unexpected answer to {verb} {plural} ({status}): check the server's address and proxies"


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait; 0 where the server asks for none, or by a date, which Kubernetes never sends."""
    text = headers.get("Retry-After", "")
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    return min(float(text), RETRY_AFTER_SECONDS_MAX) if is_number else 0.0
