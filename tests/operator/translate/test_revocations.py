"""A record has its object's scope, and times that never revoke too little."""

from typing import Any

from tests.operator.objects import STANDALONE, revocation
from wsgate_operator.translate.revocations import invalidity_of_revocation, record_of


def test_the_root_namespace_revokes_everywhere_and_others_at_home() -> None:
    assert record_of(revocation(jti="x"), STANDALONE).namespace is None
    record = record_of(revocation(namespace="team-a", jti="x"), STANDALONE)
    assert (record.namespace, record.id) == ("team-a", "team-a/r")


def test_an_expiry_is_rounded_up_and_an_issue_time_down() -> None:
    given = revocation(subject="a", issuedBefore="1970-01-01T00:00:01.9Z", expiresAt="1970-01-01T00:00:02.1Z")
    record = record_of(given, STANDALONE)
    assert (record.issued_before, record.expires_at) == (1, 3)


def test_every_matcher_reaches_the_record() -> None:
    spec: dict[str, Any] = {
        "jti": "j",
        "subject": "s",
        "sessionID": "i",
        "tokenSHA256": "0" * 64,
        "claim": {"claim": "c", "value": "v"},
        "issuer": "https://id",
    }
    assert record_of(revocation(**spec), STANDALONE).to_document() == {"id": "default/r", **spec}


def test_a_record_that_would_fill_redis_is_refused_by_its_long_fields() -> None:
    rare = "\U0001f600"
    long = revocation(jti="x", subject=rare * 1_024, sessionID=rare * 512)
    fault = invalidity_of_revocation(long, STANDALONE)
    assert fault is not None and "takes 18488 bytes" in fault and "of 8192" in fault
    assert "spec.subject (12290), spec.sessionID (6146)" in fault and "spec.jti" not in fault
    assert invalidity_of_revocation(revocation(subject=rare * 600), STANDALONE) is None


def test_no_ascii_text_is_too_long_for_a_record() -> None:
    claim = {"claim": "c", "value": "v" * 256}
    most = revocation(jti="j" * 512, subject="s" * 1_024, sessionID="i" * 512, issuer="u" * 2_048, claim=claim)
    assert invalidity_of_revocation(most, STANDALONE) is None


def test_an_issuers_past_is_revoked_in_the_root_namespace_only() -> None:
    spec = {"issuer": "https://id", "issuedBefore": "2026-01-01T00:00:00Z"}
    assert invalidity_of_revocation(revocation(**spec), STANDALONE) is None
    fault = invalidity_of_revocation(revocation(namespace="team-a", **spec), STANDALONE)
    assert fault is not None
    assert 'root namespace "default": create it there, or add subject' in fault
    assert invalidity_of_revocation(revocation(namespace="a", **spec, jti="x"), STANDALONE) is None
