"""The reference page has a row for each field."""

from wsgate_operator.resources.reference import reference_page


def test_every_row_has_field_type_default_and_meaning() -> None:
    page = reference_page()
    assert "| `prefix` | string, 1…512 characters | **required** |" in page
    assert "| `timeouts.connectSeconds` | integer, 1…60 | `5` | TCP and TLS connect to the upstream. |" in page
    assert "| `hostHeader` | `Upstream` \\| `Original` | `Upstream` |" in page
    assert "| `upstreams[].weight` | integer, 0…1000 | `1` |" in page
    assert "| `expiresAt` | date-time |" in page


def test_both_kinds_have_a_section() -> None:
    assert [line for line in reference_page().splitlines() if line.startswith("## ")] == [
        "## WsRoute",
        "## TokenRevocation",
    ]
