"""A token has one accepted spelling; everything else is malformed."""

import base64
import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tokens import Issuer, base64url, compact
from wsgate_dataplane.identity.compact import TOKEN_BYTES_MAX, parse_compact
from wsgate_dataplane.outcomes.refusal import Refused
from wsgate_dataplane.outcomes.table import Reason

TOKEN = Issuer().token()
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def refusal(raw: str) -> str:
    with pytest.raises(Refused) as refused:
        parse_compact(raw)
    assert refused.value.reason is Reason.TOKEN_MALFORMED
    return refused.value.detail


def spellings(part: str) -> list[str]:
    """Other texts that lenient decoders take for the same bytes."""
    found = [
        part + "=",
        part + "==",
        part + "\n",
        " " + part,
        part[:5] + "\r\n" + part[5:],
        part[:3] + "!" + part[3:],
    ]
    found += [part.replace("-", "+").replace("_", "/")] if set(part) & {"-", "_"} else []
    if len(part) % 4:
        last = ALPHABET.index(part[-1])
        same = (ALPHABET[last ^ bits] for bits in range(1, 16 if len(part) % 4 == 2 else 4))
        raw = base64.urlsafe_b64decode(part + "==")
        found += [part[:-1] + c for c in same if base64.urlsafe_b64decode(part[:-1] + c + "==") == raw]
    return found


def test_a_token_is_taken_apart_without_believing_it() -> None:
    token = parse_compact(TOKEN)
    assert token.header == {"alg": "RS256", "typ": "at+jwt", "kid": "key-1"}
    assert token.payload["sub"] == "alice"
    assert token.signing_input == f"{HEADER}.{PAYLOAD}".encode()
    assert token.sha256 == hashlib.sha256(token.signing_input).hexdigest()
    assert base64url(token.signature) == SIGNATURE and token.raw == TOKEN


def test_a_token_stays_out_of_its_repr() -> None:
    assert not any(part in repr(parse_compact(TOKEN)) for part in (HEADER, PAYLOAD, SIGNATURE, "alice"))


@pytest.mark.parametrize("index", [0, 1, 2], ids=["header", "payload", "signature"])
def test_every_other_spelling_of_a_part_is_malformed(index: int) -> None:
    parts = TOKEN.split(".")
    others = spellings(parts[index])
    assert len(others) >= 6
    for other in others:
        refusal(".".join([*parts[:index], other, *parts[index + 1 :]]))


def test_all_trailing_bit_variants_of_a_signature_are_malformed() -> None:
    # 256 bytes leave 4 spare bits in the last character: 15 more spellings of one signature.
    variants = [other for other in spellings(SIGNATURE) if other[:-1] == SIGNATURE[:-1] and other != SIGNATURE]
    assert len(variants) >= 15
    for variant in variants:
        refusal(f"{HEADER}.{PAYLOAD}.{variant}")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("", "3 parts"),
        (".", "3 parts"),
        (f"{HEADER}.{PAYLOAD}", "3 parts"),
        (f"{TOKEN}.", "3 parts"),
        ("a.b.c.d.e", "3 parts"),
        (f"{TOKEN}é", "ASCII"),
        (f"{TOKEN}\udc80", "ASCII"),
        (f"{HEADER}.{PAYLOAD}.A", "base64url"),
        (f"{HEADER}..{SIGNATURE}", "payload: not JSON"),
        (f".{PAYLOAD}.{SIGNATURE}", "header: not JSON"),
        (f"{compact(b'[]')}.{PAYLOAD}.{SIGNATURE}", "header: not a JSON object"),
        (f"{HEADER}.{compact(b'1')}.{SIGNATURE}", "payload: not a JSON object"),
        (f"{HEADER}.{compact(b'{' * 9)}.{SIGNATURE}", "payload: not JSON"),
        ("A" * (TOKEN_BYTES_MAX + 1), "at most"),
    ],
)
def test_what_is_no_compact_jws_is_malformed(raw: str, told: str) -> None:
    assert told in refusal(raw)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"exp":1,"exp":2}',
        b'{"sub":"a","\\u0073ub":"b"}',
        b'{"exp":NaN}',
        b'{"exp":1e999}',
        b'{"exp":' + b"9" * 4000 + b"}",
        b'{"a":' * 1500 + b"1" + b"}" * 1500,
        b'{"sub":"\\ud800"}',
        b'{"sub":"\xff"}',
    ],
    ids=lambda payload: repr(payload[:20]),
)
def test_a_hostile_payload_is_malformed_before_any_cryptography(payload: bytes) -> None:
    assert refusal(f"{HEADER}.{compact(payload)}.{SIGNATURE}").startswith("payload: ")


def test_the_largest_token_is_accepted() -> None:
    room = (TOKEN_BYTES_MAX - len(HEADER) - len(SIGNATURE) - 2) // 4 * 3
    payload = b'{"pad":"' + b"x" * (room - 10) + b'"}'
    raw = f"{HEADER}.{compact(payload)}.{SIGNATURE}"
    assert TOKEN_BYTES_MAX - 4 <= len(raw) <= TOKEN_BYTES_MAX
    assert parse_compact(raw).payload["pad"]


@given(
    st.text(max_size=60)
    | st.text(alphabet="ab.=-_ey\n", max_size=60)
    | st.lists(st.binary(max_size=40).map(base64url), min_size=2, max_size=4).map(".".join)
    | st.lists(st.text(max_size=30).map(lambda t: compact(f'{{"a":{t}}}'.encode("utf-8", "replace"))), min_size=3,
               max_size=3).map(".".join)
)  # fmt: skip
def test_any_text_is_a_token_or_malformed(raw: str) -> None:
    try:
        token = parse_compact(raw)
    except Refused as refused:
        assert refused.reason is Reason.TOKEN_MALFORMED
    else:
        assert raw == ".".join([*token.signing_input.decode().split("."), base64url(token.signature)])
