"""Plain while small, gzip above, refused before the API server would refuse it."""

import base64
import bisect
import gzip
import random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wsgate_contract import rendered
from wsgate_contract.revocation import RevocationRecord
from wsgate_contract.route import Route
from wsgate_operator.sinks.packed import (
    HEADER_BYTES,
    PLAIN_BYTES_MAX,
    STORED_BYTES_MAX,
    TEXT_BYTES_MAX,
    VERSION_MAX,
    CapacityExceededError,
    Header,
    Packed,
    StoredBytes,
)
from wsgate_operator.sinks.rendered_text import Items, document_text


def noisy_routes(count: int) -> list[Route]:
    """Routes that hardly shrink."""
    noise = random.Random(1)
    return [
        Route(namespace="default", name=f"r{n}", prefix=f"/{n}", upstream=f"ws://{noise.randbytes(500).hex()}")
        for n in range(count)
    ]


def records(count: int) -> list[RevocationRecord]:
    return [RevocationRecord(id=f"default/{n}", subject="alice") for n in range(count)]


def unpacked(packed: Packed) -> str:
    (value,) = packed.binary_data.values()
    return gzip.decompress(base64.b64decode(value)).decode()


def test_a_small_document_is_plain_text() -> None:
    assert Packed.of_text("routes", "format: 1\n") == Packed(data={"routes.yaml": "format: 1\n"})


def test_the_bound_between_plain_and_compressed_is_exact() -> None:
    assert Packed.of_text("revocations", "x" * PLAIN_BYTES_MAX).data.keys() == {"revocations.yaml"}
    above = Packed.of_text("revocations", "x" * (PLAIN_BYTES_MAX + 1))
    assert not above.data
    assert above.binary_data.keys() == {"revocations.yaml.gz"}
    assert unpacked(above) == "x" * (PLAIN_BYTES_MAX + 1)


def test_compressing_twice_gives_the_same_bytes() -> None:
    text = document_text("routes", Items().of_routes(noisy_routes(600)), 1)
    assert Packed.of_text("routes", text) == Packed.of_text("routes", text)


def test_too_much_for_a_configmap_is_refused_with_the_way_out() -> None:
    text = document_text("routes", Items().of_routes(noisy_routes(2_000)), 1)
    with pytest.raises(CapacityExceededError, match="use fewer or shorter objects"):
        Packed.of_text("routes", text)


def test_too_much_for_a_readers_memory_is_refused_however_small_it_is_packed() -> None:
    with pytest.raises(CapacityExceededError, match="unpacked"):
        Packed.of_text("routes", "x" * (TEXT_BYTES_MAX + 1))


def test_what_fits_as_measured_can_be_packed_and_one_more_cannot() -> None:
    routes, stored = noisy_routes(2_000), StoredBytes()
    count = (
        bisect.bisect_right(range(len(routes)), STORED_BYTES_MAX, key=lambda n: stored.of_routes(routes[:n])) - 1
    )
    assert 1_000 < count < 2_000
    Packed.of_text("routes", document_text("routes", Items().of_routes(routes[:count]), 1))
    with pytest.raises(CapacityExceededError):
        Packed.of_text("routes", document_text("routes", Items().of_routes(routes[: count + 2]), 1))


def test_what_fits_to_the_byte_as_measured_can_be_packed() -> None:
    noise = base64.b64encode(random.Random(1).randbytes(1_000_000)).decode()
    most = [RevocationRecord(id="a/most", subject=noise[:1_200_000])]

    def padded(length: int) -> list[RevocationRecord]:
        return [*most, RevocationRecord(id="a/pad", subject=noise[1_200_000:][:length])]

    length = bisect.bisect_right(
        range(50_000), STORED_BYTES_MAX, key=lambda n: StoredBytes().of_records(padded(n))
    )
    assert 0 < length < 50_000
    for shorter in range(1, 9):
        items = Items().of_records(padded(length - shorter))
        text = document_text("revocations", items, VERSION_MAX, confirmed_at=1_900_000_000.123456789)
        Packed.of_text("revocations", text)


def test_records_are_measured_as_they_are_stored() -> None:
    text = document_text("revocations", Items().of_records(records(18_000)), 1, confirmed_at=1.0)
    (value,) = Packed.of_text("revocations", text).binary_data.values()
    stored = len(base64.b64decode(value))
    assert stored < StoredBytes().of_records(records(18_000)) < stored + 2 * HEADER_BYTES


def test_the_text_of_one_is_measured_by_itself() -> None:
    route, stored = noisy_routes(1)[0], StoredBytes()
    assert stored.text_bytes(route) == len(Items().of_routes([route])[0].text) > 1_000
    assert stored.text_bytes(records(1)[0]) == len("- id: default/0\n  subject: alice\n")


def test_what_readers_could_not_unpack_never_seems_to_fit() -> None:
    routes = [
        Route(namespace="default", name=f"r{n}", prefix=f"/{n}", upstream="ws://" + "a" * 2_000)
        for n in range(9_000)
    ]
    assert StoredBytes().of_routes(routes) > TEXT_BYTES_MAX


def test_the_header_is_read_back_from_both_forms() -> None:
    for routes in (noisy_routes(1), noisy_routes(600)):
        items = Items().of_routes(routes)
        packed = Packed.of_text("routes", document_text("routes", items, 41, confirmed_at=1_700_000_000.25))
        assert packed.header("routes") == Header(41, rendered.digest(items), 1_700_000_000.25)


SPOILT = [
    Packed(),
    Packed(data={"other.yaml": "version: 4\n"}),
    Packed(data={"routes.yaml": "version: -4\nversion: 1e3\nversion: 99999999999999999999\n"}),
    Packed(data={"routes.yaml": "routes:\n- version: 4\n"}),
    Packed(binary_data={"routes.yaml.gz": "!"}),
    Packed(binary_data={"routes.yaml.gz": base64.b64encode(b"not gzip").decode()}),
]


@pytest.mark.parametrize("packed", SPOILT)
def test_a_header_that_cannot_be_read_is_an_empty_one(packed: Packed) -> None:
    assert packed.header("routes") == Header()


def test_the_version_survives_an_edit_below_it() -> None:
    assert Packed(data={"routes.yaml": "version: 40\nboo"}).header("routes").version == 40


@given(st.text(), st.binary())
def test_whatever_somebody_typed_gives_a_header(text: str, value: bytes) -> None:
    Packed(data={"routes.yaml": text}).header("routes")
    Packed(binary_data={"routes.yaml.gz": base64.b64encode(value).decode()}).header("routes")


def test_a_small_header_is_read_of_a_text_that_unpacks_to_very_much() -> None:
    bomb = gzip.compress(b"version: 4\n" + bytes(50_000_000))
    assert Packed(binary_data={"routes.yaml.gz": base64.b64encode(bomb).decode()}).header("routes").version == 4


def test_the_packed_text_is_yaml_for_every_reader() -> None:
    text = document_text("routes", Items().of_routes(noisy_routes(600)), 1)
    assert yaml.load(unpacked(Packed.of_text("routes", text)), Loader=yaml.CSafeLoader)["version"] == 1
