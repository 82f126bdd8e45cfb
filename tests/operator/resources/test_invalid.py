"""Faults in words: the field, what was expected and found, the way out."""

from typing import Any

import pytest

from tests.operator.objects import document
from wsgate_operator.resources.invalid import InvalidObject, nearest, path_of
from wsgate_operator.resources.parse import parse_legacy, parse_object

GOOD = {"prefix": "/a", "upstream": "ws://a"}


def faults_of(spec: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidObject) as caught:
        parse_object(document("WsRoute", "a", {**GOOD, **spec}))
    return [str(fault) for fault in caught.value.errors]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (
            {"timeouts": {"idleSecond": 5}},
            'spec.timeouts.idleSecond: unknown field; did you mean "idleSeconds"?',
        ),
        (
            {"timeouts": {"idleSeconds": "5"}},
            'spec.timeouts.idleSeconds: expected a whole number, found the text "5"; write 5 without quotes',
        ),
        (
            {"timeouts": {"idleSeconds": "5s"}},
            'spec.timeouts.idleSeconds: expected a whole number, found "5s"; '
            "write a number without quotes, unit or fraction",
        ),
        (
            {"timeouts": {"idleSeconds": 1.5}},
            "spec.timeouts.idleSeconds: expected a whole number, found the number 1.5; "
            "write a number without quotes, unit or fraction",
        ),
        (
            {"timeouts": {"idleSeconds": 0}},
            "spec.timeouts.idleSeconds: expected at least 1, found the number 0; change it to fit",
        ),
        (
            {"timeouts": 5},
            "spec.timeouts: expected a mapping of fields, found the number 5; write its fields indented below it",
        ),
        (
            {"appendPath": "yes"},
            'spec.appendPath: expected true or false, found "yes"; write true or false, without quotes',
        ),
        ({"hostnames": "a.b"}, 'spec.hostnames: expected a list, found "a.b"; write [a.b]'),
        ({"hostnames": [True]}, 'spec.hostnames[0]: expected text, found true; put it in quotes: "true"'),
        ({"upstream": 8080}, 'spec.upstream: expected text, found the number 8080; put it in quotes: "8080"'),
        ({"protocol": "mqtt"}, 'spec.protocol: expected Auto, Raw or MQTT, found "mqtt"; write "MQTT"'),
        (
            {"auth": {"providers": [{"issuer": "i"}]}},
            "spec.auth.providers[0].audiences: is missing; add it: Accepted aud values, one is enough; "
            '["*"] accepts every audience.',
        ),
        (
            {"auth": {"tokenSources": []}},
            "spec.auth.tokenSources: expected a length of at least 1, found 0 elements; change it to fit",
        ),
        (
            {"auth": {"tokenSources": ["header"]}},
            "spec.auth.tokenSources[0]: expected Header, Cookie, Query, SubProtocol, MQTTPassword or FirstMessage"
            ', found "header"; write "Header"',
        ),
        (
            {"mqtt": {"clientID": "prefix"}},
            'spec.mqtt.clientID: expected Keep, Prefix or a template such as {sub}-{clientID}, found "prefix"; '
            'write "Prefix"',
        ),
        (
            {"auth": {"expiry": {"mode": "Session"}}},
            "spec.auth.expiry: mode Session needs maxSessionSeconds, for example 28800",
        ),
        (
            {"upstreams": [{"url": "ws://b"}]},
            "spec: exactly one of upstream and upstreams is needed; give one of them",
        ),
    ],
)
def test_a_fault_says_where_what_and_the_way_out(spec: dict[str, Any], says: str) -> None:
    assert faults_of(spec) == [says]


def test_an_unknown_field_like_no_other_lists_the_valid_ones() -> None:
    assert faults_of({"retry": {"zzz": 1}}) == [
        "spec.retry.zzz: unknown field; remove it, or use one of attempts, intervalSeconds"
    ]


def test_a_nearest_field_is_looked_for_inside_lists_and_optional_blocks() -> None:
    (unknown,) = faults_of({"auth": {"claims": [{"claim": "a", "anyOf": ["b"], "anyof": 1}]}})
    assert unknown == 'spec.auth.claims[0].anyof: unknown field; did you mean "anyOf"?'
    (unknown,) = faults_of({"rateLimit": {"messagePerSecond": 1}})
    assert unknown == 'spec.rateLimit.messagePerSecond: unknown field; did you mean "messagesPerSecond"?'


def test_all_faults_are_reported_at_once() -> None:
    assert len(faults_of({"prefix": "a", "upstream": "b", "hostnames": ["A"]})) == 3


def test_a_long_value_is_cut_in_the_message() -> None:
    (fault,) = faults_of({"prefix": "x" * 400})
    assert len(fault) < 200


def test_a_legacy_fault_is_placed_in_the_list() -> None:
    with pytest.raises(InvalidObject) as caught:
        parse_legacy([{"prefix": "/a", "upstream": "ws://a"}, {"prefix": "/b", "upstrem": "ws://b"}])
    assert [fault.path for fault in caught.value.errors] == ["[1].upstream", "[1].upstrem"]


def test_a_path_is_written_as_people_write_it() -> None:
    assert path_of(("spec", "auth", "providers", 0, "issuer")) == "spec.auth.providers[0].issuer"


def test_the_nearest_word_ignores_case() -> None:
    assert nearest("SUBJECT", ("subject", "issuer")) == "subject"
    assert nearest("zzz", ("subject", "issuer")) is None
