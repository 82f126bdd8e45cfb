"""Whatever flags are accepted give an object that the gateway accepts; the others are told by flag."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_cli.kubectl_create_tokenrevocation import make_parser, read_wanted
from wsgate_cli.plugin.flags import FlagError
from wsgate_cli.plugin.held_token import HeldToken
from wsgate_cli.plugin.revocation_object import LAST_SECOND, Wanted, to_document
from wsgate_operator.resources.metadata import parse_date_time
from wsgate_operator.resources.parse import parse_object
from wsgate_operator.resources.tokenrevocation import TokenRevocation

NOW = 1_700_000_000.7
NOW_TEXT = "2023-11-14T22:13:20Z"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"
SHA256 = "ab" * 32


def spec_of(**wanted: Any) -> Any:
    return to_document(Wanted(**wanted), NOW)["spec"]


def error_of(**wanted: Any) -> str:
    with pytest.raises(FlagError) as caught:
        to_document(Wanted(**wanted), NOW)
    return str(caught.value)


def test_a_whole_object_has_every_field_where_it_belongs() -> None:
    document = to_document(
        Wanted(
            name="a",
            namespace="team",
            jti="j",
            subject="s",
            session_id="i",
            token=HeldToken(SHA256, None),
            claim="realm.roles=a=b",
            issuer="https://id",
            issued_before="2020-01-01T00:00:00Z",
            expires_at="2030-01-01T00:00:00+01:00",
            reason="Compromised: ticket: 4711 ",
            gateway_name="public",
        ),
        NOW,
    )
    assert document == {
        "apiVersion": "wsgate.dev/v1alpha1",
        "kind": "TokenRevocation",
        "metadata": {"name": "a"},
        "spec": {
            "jti": "j",
            "subject": "s",
            "sessionID": "i",
            "tokenSHA256": SHA256,
            "claim": {"claim": "realm.roles", "value": "a=b"},
            "issuer": "https://id",
            "issuedBefore": "2020-01-01T00:00:00Z",
            "expiresAt": "2030-01-01T00:00:00+01:00",
            "reason": {"code": "Compromised", "text": "ticket: 4711"},
            "gatewayName": "public",
        },
    }


def test_without_a_name_the_api_server_makes_one() -> None:
    assert to_document(Wanted(jti="j"), NOW)["metadata"] == {"generateName": "revocation-"}


def test_a_subject_is_kicked_unless_it_is_banned() -> None:
    assert spec_of(subject="s") == {"subject": "s", "issuedBefore": NOW_TEXT}
    assert spec_of(subject="s", is_ban=True) == {"subject": "s"}
    assert spec_of(subject="s", claim="tenant=acme")["issuedBefore"] == NOW_TEXT
    assert spec_of(subject="s", issued_before="2020-01-01T00:00:00Z")["issuedBefore"] == "2020-01-01T00:00:00Z"


@pytest.mark.parametrize("one", [{"jti": "j"}, {"session_id": "i"}, {"token": HeldToken(SHA256, None)}])
def test_a_named_login_stays_dead_even_where_it_is_refreshed(one: dict[str, Any]) -> None:
    assert "issuedBefore" not in spec_of(subject="s", **one)


def test_now_is_this_second_and_a_lifetime_is_not_shortened() -> None:
    spec = spec_of(issuer="https://id", issued_before="now", lasts=1)
    assert spec == {"issuer": "https://id", "issuedBefore": NOW_TEXT, "expiresAt": "2023-11-14T22:13:22Z"}


def test_a_held_token_ends_with_itself_unless_something_else_is_said() -> None:
    token = HeldToken(SHA256, int(NOW) + 60)
    assert parse_date_time(spec_of(token=token)["expiresAt"]).timestamp() == token.safe_end(NOW)
    assert spec_of(token=token, lasts=1)["expiresAt"] == "2023-11-14T22:13:22Z"
    assert spec_of(token=token, expires_at="2030-01-01T00:00:00Z")["expiresAt"] == "2030-01-01T00:00:00Z"
    assert "expiresAt" not in spec_of(token=HeldToken(SHA256, None))
    assert "expiresAt" not in spec_of(token=HeldToken(SHA256, LAST_SECOND))


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("tenant=acme", {"claim": "tenant", "value": "acme"}),
        ("tenant=", {"claim": "tenant", "value": ""}),
        ('"https://x/?a=b".c=d=e', {"claim": '"https://x/?a=b".c', "value": "d=e"}),
        ("a=b\nc", {"claim": "a", "value": "b\nc"}),
    ],
)
def test_a_claim_is_a_path_and_a_value(text: str, claim: dict[str, str]) -> None:
    assert spec_of(claim=text)["claim"] == claim


BAD = [
    ({}, ["--jti", "--subject", "--session-id", "--token-file", "--claim", "--issuer with --issued-before"]),
    ({"issuer": "i"}, ["--issuer alone", "--issued-before"]),
    ({"issued_before": "now"}, ["--issued-before alone", "--issuer"]),
    ({"is_ban": True, "jti": "j"}, ["--ban:", "add --subject"]),
    ({"is_ban": True, "subject": "s", "issued_before": "now"}, ["--ban, --issued-before:", "leave --ban out"]),
    ({"jti": "j", "lasts": 1, "expires_at": "2030-01-01T00:00:00Z"}, ["--for, --expires-at:", "one of them"]),
    ({"jti": ""}, ["--jti: empty", "leave it out"]),
    ({"subject": ""}, ["--subject: empty"]),
    ({"session_id": ""}, ["--session-id: empty"]),
    ({"name": "", "jti": "j"}, ["NAME: empty"]),
    ({"jti": "j" * 513}, ["--jti:", "at most 512", "513 characters"]),
    ({"name": "A_b", "jti": "j"}, ["NAME:", "lower case letters"]),
    ({"namespace": "a.b", "jti": "j"}, ["--namespace:", "lower case letters"]),
    ({"gateway_name": "A", "jti": "j"}, ["--gateway-name:"]),
    ({"issuer": "i" * 2049, "jti": "j"}, ["--issuer:", "at most 2048"]),
    ({"jti": "j", "issued_before": "yesterday"}, ["--issued-before:", "2026-01-31T18:00:00Z"]),
    ({"jti": "j", "expires_at": "2024-02-30T00:00:00Z"}, ["--expires-at:", "no such moment"]),
    ({"jti": "j", "expires_at": "2020-01-01T00:00:00Z"}, ["--expires-at:", "is past", "or --for"]),
    ({"jti": "j", "lasts": 10**13}, ["--for:", "9999", "leave it out"]),
    ({"subject": "s", "issued_before": "2099-01-01T00:00:00Z", "lasts": 60}, ["--for, --issued-before:"]),
    (
        {"subject": "s", "issued_before": "2099-01-01T00:00:00Z", "expires_at": "2098-01-01T00:00:00Z"},
        ["--expires-at, --issued-before:", "end later"],
    ),
    ({"claim": "tenant"}, ["--claim:", "PATH=VALUE"]),
    ({"claim": "a..b=c"}, ["--claim:", "dotted path"]),
    ({"claim": "a=" + "b" * 257}, ["--claim:", "at most 256"]),
    ({"jti": "j", "reason": "stolen"}, ["--reason:", "Compromised", "Unspecified:my words"]),
    ({"jti": "j", "reason": "logout"}, ["--reason:", 'write "Logout"']),
    ({"jti": "j", "reason": "Logout:" + "x" * 1025}, ["--reason:", "at most 1024"]),
    ({"jti": "\udcff"}, ["--jti: not UTF-8", "encoding"]),
]


@pytest.mark.parametrize(("wanted", "words"), BAD, ids=[words[0] for _, words in BAD])
def test_a_combination_that_cannot_be_meant_names_the_flag_and_the_way_out(
    wanted: dict[str, Any], words: list[str]
) -> None:
    error = error_of(**wanted)
    assert all(word in error for word in words), error
    assert "spec." not in error


def test_all_faults_are_told_at_once_each_in_its_line() -> None:
    lines = error_of(name="A", jti="j" * 600, reason="x").splitlines()
    assert [line.partition(":")[0] for line in lines] == ["NAME", "--jti", "--reason"]


@pytest.mark.parametrize("field", ["name", "jti", "subject", "session_id", "claim", "issuer", "reason"])
def test_a_token_in_place_of_a_value_is_refused_without_being_shown(field: str) -> None:
    error = error_of(**{field: TOKEN})
    assert "--token-file" in error
    assert "eyJ" not in error


texts = st.text(max_size=12) | st.sampled_from(["j" * 600, TOKEN, "now", '"a.b"=c', "a=b"])
labels = st.sampled_from(["a", "team-a"])
past = st.sampled_from(["now", "2020-01-01t00:00:00.5+23:59"]) | st.datetimes().map(
    lambda at: f"{at.isoformat()}Z"
)
ends = st.fixed_dictionaries(
    {"--for": st.integers(1, 10**6 - 1).map(lambda days: f"{days}d")}
) | st.fixed_dictionaries(
    {"--expires-at": st.just("2030-01-01T00:00:00Z") | st.datetimes().map(lambda at: f"{at.isoformat()}Z")}
)
usual = st.fixed_dictionaries(
    {"--subject": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)},
    optional={
        "--jti": labels,
        "--session-id": labels,
        "--claim": st.just("a.b=c"),
        "--issuer": labels,
        "--issued-before": past,
        "--reason": st.sampled_from(["Logout", "Compromised:x"]),
        "--gateway-name": labels,
        "--namespace": labels,
    },
)
odd = st.dictionaries(
    st.sampled_from(["--jti", "--subject", "--claim", "--issuer", "--issued-before", "--reason", "--namespace"]),
    texts,
    max_size=1,
)
flags = st.builds(lambda *parts: {name: value for part in parts for name, value in part.items()}, usual, ends, odd)
banned = st.sampled_from([(), ("--ban",)])
names = st.none() | labels | texts.filter(lambda text: not text.startswith("-"))
tokens = st.none() | st.builds(HeldToken, st.just(SHA256), st.none() | st.integers(-(10**18), 10**18))


@given(flags, banned, names, tokens)
def test_any_accepted_flags_give_an_object_that_the_gateway_accepts(
    given_flags: dict[str, str], ban: tuple[str, ...], name: str | None, token: HeldToken | None
) -> None:
    arguments = [f"{flag}={value}" for flag, value in given_flags.items()]
    options = make_parser().parse_args([*([] if name is None else [name]), *arguments, *ban])
    try:
        document = to_document(replace(read_wanted(options), token=token), NOW)
    except FlagError as error:
        assert str(error)
        assert TOKEN not in str(error)
        return
    document["metadata"] = {"name": name or "revocation-abcde"}
    found = parse_object(document)
    assert isinstance(found, TokenRevocation)
    assert (found.spec.jti, found.spec.subject) == (options.jti, options.subject)
    if found.spec.expires_at is not None:
        assert parse_date_time(found.spec.expires_at).timestamp() > NOW
    if ban:
        assert found.spec.issued_before is None
