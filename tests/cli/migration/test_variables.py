"""Variables are read with their lines, and nothing of a value leaks into a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgate_cli.migration.variables import Variable, read_env_file, read_mapping
from wsgate_operator.sources.problem import Problem
from wsgate_operator.sources.yaml_documents import Location, read_documents


def values(text: str) -> dict[str, str]:
    found = list(read_env_file("a.env", text))
    assert not [each for each in found if isinstance(each, Problem)]
    return {each.name: each.value for each in found if isinstance(each, Variable)}


def problem(text: str) -> str:
    (found,) = (each for each in read_env_file("a.env", text) if isinstance(each, Problem))
    return str(found)


def mapped(text: str, location: Location, *, is_secret: bool = False, is_base64: bool = False) -> list[Variable]:
    (document,) = read_documents(text)
    found = list(read_mapping("v.yaml", document, location, is_secret=is_secret, is_base64=is_base64))
    assert not [each for each in found if isinstance(each, Problem)], found
    return [each for each in found if isinstance(each, Variable)]


def test_an_env_file_is_read_as_the_originals_example_is_written() -> None:
    text = (
        "# a comment\n\nJWT_EXPECTED_AUDIENCE=rabbitmq          # Comma-separated string\n"
        "REDIS_URL=\nexport WS_DIAL_RETRY_MAX = 3\nA='b # c'\nB=\"d\"  # e\nC=f#g\nD= # nothing\n"
    )
    assert values(text) == {
        "JWT_EXPECTED_AUDIENCE": "rabbitmq",
        "REDIS_URL": "",
        "WS_DIAL_RETRY_MAX": "3",
        "A": "b # c",
        "B": "d",
        "C": "f#g",
        "D": "",
    }


def test_a_variable_knows_its_line_and_whether_its_name_is_of_a_secret() -> None:
    plain, secret = read_env_file("a.env", "\nA=1\nREDIS_URL=redis://h\n")
    assert isinstance(plain, Variable) and isinstance(secret, Variable)
    assert (plain.place, plain.is_secret) == ("a.env:2", False)
    assert (secret.place, secret.is_secret) == ("a.env:3", True)
    assert "redis://h" not in repr(secret)


def test_a_line_that_is_no_variable_is_told_without_being_shown() -> None:
    told = problem("A=1\nhunter2\n")
    assert told == "a.env:2: not a line of the form NAME=value; correct it, or begin it with #"
    assert "hunter2" not in problem("POSTGRES_DSN='hunter2\n")


@given(st.text(max_size=200))
def test_any_text_is_variables_or_problems(text: str) -> None:
    for each in read_env_file("a.env", text):
        assert isinstance(each, Variable | Problem)


def test_values_of_yaml_are_the_text_that_helm_would_write() -> None:
    found = mapped("env:\n  A: '10'\n  B: 10\n  C: true\n  D:\n", ("env",))
    assert [(each.name, each.value, each.line) for each in found] == [
        ("A", "10", 2),
        ("B", "10", 3),
        ("C", "true", 4),
        ("D", "", 5),
    ]


def test_a_secret_of_kubernetes_is_decoded() -> None:
    (found,) = mapped("data: {REDIS_URL: cmVkaXM6Ly9o}\n", ("data",), is_secret=True, is_base64=True)
    assert (found.value, found.is_secret) == ("redis://h", True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("secrets: hunter2", "v.yaml:1: secrets: expected a mapping of names to values, found something else"),
        ("secrets: {A: [hunter2]}", "v.yaml:1: secrets.A: expected text or a number; put the value in quotes"),
        ("secrets: {A: hunter2}", "v.yaml:1: secrets.A: not the base64 of UTF-8 text"),
    ],
)
def test_what_is_wrong_with_a_secret_is_told_without_it(text: str, told: str) -> None:
    (document,) = read_documents(text)
    (found,) = read_mapping("v.yaml", document, ("secrets",), is_secret=True, is_base64=True)
    assert str(found).startswith(told)
    assert "hunter2" not in str(found)
