"""What is held of Secrets: broken ones keep their last good copy, withdrawn ones do not, and room is shared."""

from dataclasses import replace

from tests.operator.objects import revocation, wsroute
from wsgate_contract.route import Route
from wsgate_operator.translate.client_certificate import ClientCertificate, SecretRef
from wsgate_operator.translate.holdings import (
    UNUSED_SECONDS,
    CertificateState,
    Faulty,
    Holding,
    copies_of,
    due_at,
    fit,
    held_after,
    ref_of,
    refs_of,
    states_of,
)
from wsgate_operator.translate.verdict import RefFault, VerdictReason

GOOD = ClientCertificate(b"good", expires_at=1000.0)
BROKEN = RefFault(VerdictReason.INVALID_CERTIFICATE_REF, "broken")
FORBIDDEN = RefFault(VerdictReason.REF_NOT_PERMITTED, "forbidden")
GONE_SECONDS = 30.0
TLS = {"clientCertificateRef": {"name": "client"}}


def test_a_secret_that_breaks_keeps_its_copy_and_says_why() -> None:
    held = held_after({}, {"a": GOOD}, ["a"], 0, GONE_SECONDS)
    assert states_of(held) == {"a": CertificateState(is_held=True)}
    broken = held_after(held, {"a": Faulty(BROKEN)}, ["a"], 999, GONE_SECONDS)
    assert (copies_of(broken), states_of(broken)) == (
        {"a": b"good"},
        {"a": CertificateState(is_held=True, fault=BROKEN)},
    )
    assert states_of(held_after(broken, {"a": GOOD}, ["a"], 999, GONE_SECONDS)) == {
        "a": CertificateState(is_held=True)
    }


def test_a_secret_that_was_never_good_has_no_copy() -> None:
    held = held_after({}, {"a": Faulty(BROKEN)}, ["a"], 0, GONE_SECONDS)
    assert (copies_of(held), states_of(held)) == ({}, {"a": CertificateState(is_held=False, fault=BROKEN)})


def test_a_secret_that_stays_gone_is_let_go_and_one_that_comes_back_is_not() -> None:
    held = held_after({}, {"a": GOOD}, ["a"], 0, GONE_SECONDS)
    gone = held_after(held, {"a": Faulty(FORBIDDEN, is_gone=True)}, ["a"], 10, GONE_SECONDS)
    assert (copies_of(gone), due_at(gone, GONE_SECONDS)) == ({"a": b"good"}, 40)
    still = held_after(gone, {"a": Faulty(FORBIDDEN, is_gone=True)}, ["a"], 39, GONE_SECONDS)
    assert copies_of(still) == {"a": b"good"}
    back = held_after(still, {"a": GOOD}, ["a"], 39.5, GONE_SECONDS)
    again = held_after(back, {"a": Faulty(FORBIDDEN, is_gone=True)}, ["a"], 41, GONE_SECONDS)
    assert copies_of(again) == {"a": b"good"}
    let_go = held_after(still, {"a": Faulty(FORBIDDEN, is_gone=True)}, ["a"], 40, GONE_SECONDS)
    assert (copies_of(let_go), states_of(let_go)) == ({}, {"a": CertificateState(is_held=False, fault=FORBIDDEN)})
    assert due_at(let_go, GONE_SECONDS) is None


def test_one_of_which_nothing_was_learned_stays_as_it_was() -> None:
    before = {"a": Holding(b"good"), "b": Holding(fault=BROKEN)}
    assert held_after(before, {}, before, 500, GONE_SECONDS) == before
    assert held_after({}, {}, ["new"], 0, GONE_SECONDS) == {}


def test_what_no_route_names_is_kept_for_a_while_and_is_wanted_again_at_any_time() -> None:
    held = held_after({}, {"a": GOOD, "b": Faulty(BROKEN)}, ["a", "b"], 0, GONE_SECONDS)
    unused = held_after(held, {}, [], 10, GONE_SECONDS)
    assert copies_of(unused) == {"a": b"good"} and "b" not in unused
    assert due_at(unused, GONE_SECONDS) == 10 + UNUSED_SECONDS
    assert held_after(unused, {}, ["a"], 50, GONE_SECONDS) == {"a": Holding(b"good", expires_at=1000.0)}
    assert held_after(unused, {}, [], 10 + UNUSED_SECONDS, GONE_SECONDS) == {}


def test_an_expiry_is_due_once() -> None:
    held = held_after({}, {"a": GOOD}, ["a"], 0, GONE_SECONDS)
    assert due_at(held, GONE_SECONDS) == 1000
    assert due_at(held_after(held, {"a": Faulty(BROKEN)}, ["a"], 1000, GONE_SECONDS), GONE_SECONDS) is None
    assert due_at({}, GONE_SECONDS) is None


def test_room_is_shared_between_namespaces_and_the_root_comes_first() -> None:
    refs = {ref.id: ref for ref in (SecretRef("many", str(number)) for number in range(4))}
    few, root = SecretRef("few", "x"), SecretRef("platform", "x")
    refs |= {few.id: few, root.id: root}
    held = {id_: Holding(b"x" * 10) for id_ in refs} | {"unused": Holding(b"x" * 10, unused_since=0)}
    fitting = fit(held, refs, "platform", 40)
    copies = copies_of(fitting)
    assert {few.id, root.id} < copies.keys() and "unused" not in fitting
    assert sum(refs[id_].namespace == "many" for id_ in copies) == 2
    left_out = [each for id_, each in states_of(fitting).items() if id_ not in copies]
    assert {each.fault.reason for each in left_out if each.fault} == {VerdictReason.CAPACITY_EXCEEDED}
    assert all(not each.is_held for each in left_out) and len(left_out) == 2
    assert fit(held, refs, "platform") == held


def test_references_are_those_of_the_routes_own_namespace() -> None:
    named = wsroute(namespace="shop", upstream="wss://a.test", upstreamTLS=TLS)
    kept = Route.from_document(
        {"namespace": "old", "name": "r", "prefix": "/", "upstream": "wss://a", "upstreamTLS": TLS}
    )
    assert refs_of([named, wsroute("plain"), revocation(jti="x")], [kept]) == {
        SecretRef("shop", "client"),
        SecretRef("old", "client"),
    }
    assert ref_of(wsroute().spec, "shop") is None


def test_no_representation_shows_a_copy() -> None:
    held = held_after({}, {"a": replace(GOOD, pem=b"SECRET")}, ["a"], 0, GONE_SECONDS)
    assert "SECRET" not in repr(held)
