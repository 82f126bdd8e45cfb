"""Secrets that routes name are asked for one by one, copied, and taken away, whatever the API server answers."""

import asyncio
import base64
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.operator.sinks.api_server import Answer, ApiServer
from tests.operator.sinks.revocation_log.house import logged
from tests.support.certificates import pair
from wsgate_operator.controller import certificates as module
from wsgate_operator.controller.certificates import CALLS_AT_ONCE, Certificates, Grantee
from wsgate_operator.sinks.secret import SecretSink
from wsgate_operator.telemetry.metrics import Metrics
from wsgate_operator.translate.client_certificate import SecretRef
from wsgate_operator.translate.holdings import CertificateState
from wsgate_operator.translate.verdict import VerdictReason

COPIES = "/api/v1/namespaces/wsgate-system/secrets/wsgate-secrets"
SHOP, CART = SecretRef("shop", "client"), SecretRef("cart", "client")
GRANTEE = Grantee("wsgate-system", "wsgate-operator", "wsgate")
GONE_SECONDS = 30.0


def path_of(ref: SecretRef) -> str:
    return f"/api/v1/namespaces/{ref.namespace}/secrets/{ref.name}"


class House:
    """Certificates over an API server in memory; time passes by hand."""

    def __init__(self, server: ApiServer, make: Callable[["House"], Certificates]) -> None:
        self.server, self.now, self.metrics = server, time.time(), Metrics()
        self.written: list[float] = []
        self._make = make
        self.certificates = make(self)

    def restart(self) -> None:
        self.certificates = self._make(self)

    def put(self, ref: SecretRef = SHOP, name: str = "client.test", **changes: Any) -> bytes:
        """A new Secret; the copy that it makes."""
        certificate, key = pair(name)
        data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
        self.server.put(path_of(ref), {"metadata": {}, "type": "kubernetes.io/tls", "data": data, **changes})
        return certificate + key

    def copies(self) -> dict[str, bytes]:
        data = self.server.objects.get(COPIES, {}).get("data", {})
        return {name.removesuffix(".pem"): base64.b64decode(text) for name, text in data.items()}

    def state(self, ref: SecretRef = SHOP) -> CertificateState | None:
        return self.certificates.states.get(ref.id)

    def message(self, reason: VerdictReason, *, is_held: bool, ref: SecretRef = SHOP) -> str:
        state = self.state(ref)
        assert state is not None and state.fault is not None
        assert (state.fault.reason, state.is_held) == (reason, is_held)
        return state.fault.message

    async def look(self, *refs: SecretRef, is_full: bool = True) -> bool:
        self.certificates.want(refs)
        return await self.certificates.look(is_full=is_full)


def run(scenario: Callable[[House], Awaitable[None]], grantee: Grantee = GRANTEE) -> None:
    async def play() -> None:
        server = ApiServer()
        async with server.running(0.5) as calls:

            def make(house: House) -> Certificates:
                sink = SecretSink(calls, "wsgate", "wsgate-system")
                return Certificates(
                    calls,
                    sink,
                    grantee,
                    "wsgate-system",
                    GONE_SECONDS,
                    lambda: house.now,
                    house.metrics,
                    lambda: house.written.append(house.now),
                )

            await scenario(House(server, make))

    asyncio.run(play())


def forbid(*paths: str) -> Callable[[str, str], Answer | None]:
    return lambda method, path: Answer(403, f"forbidden: {path}") if path in paths else None


def always(fault: Answer) -> Callable[[str, str], Answer | None]:
    return lambda method, path: fault


def test_a_secret_is_copied_under_an_id_and_its_route_may_be_served() -> None:
    async def scenario(house: House) -> None:
        copy = house.put()
        house.certificates.want([SHOP])
        assert house.certificates.due.is_set() and house.state() is None
        assert await house.look(SHOP)
        assert (house.copies(), house.state()) == ({SHOP.id: copy}, CertificateState(is_held=True))
        assert not house.certificates.due.is_set()
        assert not await house.look(SHOP)
        found = house.metrics.registry.get_sample_value
        assert found("wsgate_operator_client_certificates") == 1
        assert (found("wsgate_operator_client_certificate_expiry_timestamp_seconds") or 0) > house.now

    run(scenario)


def test_a_renewed_secret_is_copied_anew_and_changes_no_state() -> None:
    async def scenario(house: House) -> None:
        house.put()
        await house.look(SHOP)
        renewed = house.put()
        assert not await house.look(SHOP)
        assert not await house.look(SHOP)
        assert house.copies() == {SHOP.id: renewed}
        assert len(house.written) == 2, "pods are told when there is something new, and only then"

    run(scenario)


def test_secrets_of_one_name_in_two_namespaces_are_two_copies() -> None:
    async def scenario(house: House) -> None:
        first, second = house.put(SHOP), house.put(CART)
        await house.look(SHOP, CART)
        assert house.copies() == {SHOP.id: first, CART.id: second}

    run(scenario)


def test_a_missing_right_is_told_with_the_command_that_grants_it() -> None:
    async def scenario(house: House) -> None:
        house.put()
        house.server.refuse = forbid(path_of(SHOP))
        await house.look(SHOP)
        message = house.message(VerdictReason.REF_NOT_PERMITTED, is_held=False)
        assert message.startswith(
            "spec.upstreamTLS.clientCertificateRef: the operator may not read Secret shop/client"
        )
        assert message.endswith("kubectl wsgate grant-secret client -n shop | kubectl apply -f -")
        assert house.copies() == {}

    run(scenario)


def test_the_command_names_an_operator_that_is_not_the_usual_one() -> None:
    command = Grantee("gateways", "internal", "inner").command(SHOP)
    flags = "--operator-namespace gateways --service-account internal --gateway-name inner"
    assert command == f"kubectl wsgate grant-secret client -n shop {flags} | kubectl apply -f -"


def test_a_secret_that_is_not_there_or_of_another_type_says_what_to_make() -> None:
    async def scenario(house: House) -> None:
        await house.look(SHOP)
        message = house.message(VerdictReason.INVALID_CERTIFICATE_REF, is_held=False)
        assert "kubectl create secret tls client -n shop" in message
        house.put(type="Opaque")
        await house.look(SHOP)
        assert "make one of type kubernetes.io/tls" in house.message(
            VerdictReason.INVALID_CERTIFICATE_REF, is_held=False
        )

    run(scenario)


def test_a_secret_that_breaks_keeps_its_copy() -> None:
    async def scenario(house: House) -> None:
        copy = house.put()
        await house.look(SHOP)
        house.put(data={"tls.crt": "", "tls.key": ""})
        house.now += 10 * GONE_SECONDS
        assert await house.look(SHOP)
        house.message(VerdictReason.INVALID_CERTIFICATE_REF, is_held=True)
        assert house.copies() == {SHOP.id: copy}

    run(scenario)


@pytest.mark.parametrize("how", ["deleted", "forbidden"])
def test_a_secret_that_is_withdrawn_loses_its_copy_after_a_while_and_not_at_once(how: str) -> None:
    async def scenario(house: House) -> None:
        house.put()
        await house.look(SHOP)
        if how == "deleted":
            del house.server.objects[path_of(SHOP)]
        else:
            house.server.refuse = forbid(path_of(SHOP))
        await house.look(SHOP)
        assert house.copies().keys() == {SHOP.id}
        house.now += GONE_SECONDS
        assert await house.look(SHOP)
        assert house.copies() == {}
        state = house.state()
        assert state is not None and not state.is_held

    run(scenario)


def test_a_server_that_does_not_answer_changes_nothing() -> None:
    async def scenario(house: House) -> None:
        copy = house.put()
        await house.look(SHOP)
        house.now += 10 * GONE_SECONDS
        for fault in (Answer(500), Answer(401), Answer(429), Answer(hang=True)):
            house.server.refuse = always(fault)
            with logged() as lines:
                assert not await house.look(SHOP)
            assert house.state() == CertificateState(is_held=True)
        house.server.refuse = lambda method, path: None
        assert house.copies() == {SHOP.id: copy}
        assert "client certificates not copied" in {line.getMessage() for line in lines}

    run(scenario)


def test_the_next_life_begins_with_the_copies_of_the_last_one() -> None:
    async def scenario(house: House) -> None:
        copy = house.put()
        await house.look(SHOP)
        house.restart()
        house.server.refuse = lambda method, path: Answer(500) if path == path_of(SHOP) else None
        assert await house.look(SHOP)
        assert house.state() == CertificateState(is_held=True)
        house.restart()
        house.server.refuse = lambda method, path: Answer(500)
        assert not await house.look(SHOP)
        assert house.state() is None, "what was copied is not known yet, so nothing is let go"
        house.server.refuse = lambda method, path: None
        assert house.copies() == {SHOP.id: copy}

    run(scenario)


def test_a_copy_that_no_route_names_goes_in_time() -> None:
    async def scenario(house: House) -> None:
        house.put()
        await house.look(SHOP)
        await house.look()
        assert house.copies().keys() == {SHOP.id}
        house.now += 121
        await house.look()
        assert house.copies() == {}

    run(scenario)


def test_a_copy_that_cannot_be_written_is_told_and_the_one_of_before_stays() -> None:
    async def scenario(house: House) -> None:
        first = house.put()
        await house.look(SHOP)
        house.put()
        house.put(CART)
        house.server.refuse = lambda method, path: Answer(403, "no right") if method != "GET" else None
        await house.look(SHOP, CART)
        assert house.state() == CertificateState(is_held=True)
        message = house.message(VerdictReason.INVALID_CERTIFICATE_REF, is_held=False, ref=CART)
        assert "cannot keep its copy in Secret wsgate-system/wsgate-secrets" in message and "no right" in message
        assert house.copies() == {SHOP.id: first}
        house.server.refuse = lambda method, path: None
        await house.look(SHOP, CART)
        assert house.copies().keys() == {SHOP.id, CART.id}

    run(scenario)


def test_an_operator_without_the_right_to_its_own_secret_serves_routes_without_certificates_in_silence() -> None:
    async def scenario(house: House) -> None:
        house.server.refuse = forbid(COPIES)
        with logged() as lines:
            assert not await house.look()
        assert lines == []
        house.put()
        with logged() as lines:
            assert await house.look(SHOP)
        assert "client certificates not copied" in {line.getMessage() for line in lines}
        # Pods may have a copy: a route that is in force stays so.
        message = house.message(VerdictReason.INVALID_CERTIFICATE_REF, is_held=True)
        assert "cannot read its copies in Secret wsgate-system/wsgate-secrets" in message
        house.server.refuse = lambda method, path: None
        assert await house.look(SHOP)
        assert house.state() == CertificateState(is_held=True)

    run(scenario)


def test_early_looks_do_not_put_off_the_full_one() -> None:
    async def scenario(house: House) -> None:
        house.put()
        await house.look(SHOP)
        house.server.refuse = forbid(path_of(SHOP))
        for number in range(5):
            house.now += GONE_SECONDS / 2
            await house.look(SHOP, SecretRef("busy", str(number)), is_full=False)
        assert house.copies() == {}

    run(scenario)


def test_a_copy_that_a_hand_has_changed_is_put_right() -> None:
    async def scenario(house: House) -> None:
        copy = house.put()
        await house.look(SHOP)
        house.server.objects[COPIES]["data"] = {"foreign": "eA=="}
        await house.look(SHOP)
        assert house.copies() == {SHOP.id: copy}

    run(scenario)


def test_an_early_look_asks_only_for_what_is_new() -> None:
    async def scenario(house: House) -> None:
        house.put()
        await house.look(SHOP)
        renewed, asked = house.put(), house.server.calls["GET"]
        house.put(CART)
        await house.look(SHOP, CART, is_full=False)
        # One for CART, and one of our own Secret before it is written.
        assert house.server.calls["GET"] == asked + 2
        assert house.copies()[SHOP.id] != renewed
        house.certificates.want([SHOP, CART])
        assert not house.certificates.due.is_set()

    run(scenario)


def test_calls_are_made_some_at_once_and_no_namespace_takes_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFS_MAX", 30)

    async def scenario(house: House) -> None:
        many = [SecretRef("flood", f"s{number}") for number in range(60)]
        house.put()
        await house.look(*many, SHOP)
        assert house.server.most_at_once <= CALLS_AT_ONCE
        assert house.server.calls["GET"] <= 30 + 3
        assert house.state() == CertificateState(is_held=True)
        faults = [state.fault for ref in many if (state := house.state(ref)) is not None]
        reasons = [fault.reason for fault in faults if fault is not None]
        assert reasons.count(VerdictReason.CAPACITY_EXCEEDED) == 31

    run(scenario)


def test_nothing_of_a_secret_is_logged_or_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario(house: House) -> None:
        copy = house.put()
        await house.look(SHOP)
        house.put(type="Opaque")
        await house.look(SHOP)
        body = copy.decode().splitlines()[1]
        assert body not in caplog.text and body not in repr(house.certificates.states)

    run(scenario)
