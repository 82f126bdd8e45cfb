"""The plugins' command line: nothing is guessed, nothing is dropped, no token is shown."""

import pytest

from wsgate_cli.plugin.flags import (
    Once,
    PluginParser,
    add_kubectl_arguments,
    holds_token,
    kubectl_flags,
)

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"


def parser() -> PluginParser:
    made = PluginParser(prog="tool")
    made.add_argument("name", nargs="?")
    made.add_argument("--subject", action=Once)
    commands = made.add_subparsers(dest="command")
    commands.add_parser("list").add_argument("--limit", action=Once)
    return made


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as left:
        parser().parse_args(arguments)
    assert left.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_a_flag_given_twice_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--subject: given twice" in error_of(capsys, "--subject", "a", "--subject", "a")


def test_a_flag_is_not_abbreviated_but_the_right_one_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--subj: no such flag; did you mean --subject?" in error_of(capsys, "--subj=a")


def test_a_commands_flag_is_suggested_by_that_command(capsys: pytest.CaptureFixture[str]) -> None:
    error = error_of(capsys, "name", "list", "--limt=3")
    assert "--limt: no such flag; did you mean --limit?" in error
    assert "list --help'" in error


@pytest.mark.parametrize(
    "arguments",
    [
        ["--token", TOKEN],
        [f"--token={TOKEN}"],
        ["name", "list", TOKEN],
        ["name", TOKEN],
        ["name", "list", f"--x={TOKEN}"],
    ],
)
def test_an_argument_that_is_not_known_is_not_repeated(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert TOKEN not in error_of(capsys, *arguments)


def test_a_token_is_sent_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--token-file - for standard input" in error_of(capsys, f"--token={TOKEN}")


@pytest.mark.parametrize(
    ("text", "does"), [(TOKEN, True), (f"Bearer {TOKEN}", True), ("eyJ", False), ("a.b.c", False), ("", False)]
)
def test_a_token_is_recognised_by_its_form(text: str, does: bool) -> None:  # noqa: FBT001  # a table of cases
    assert holds_token(text) is does


def test_only_what_was_given_is_passed_on_each_as_one_word() -> None:
    made = PluginParser()
    add_kubectl_arguments(made)
    assert kubectl_flags(made.parse_args([])) == ()
    found = kubectl_flags(made.parse_args(["--as=-x", "--context", "a b", "--kubeconfig", "/k"]))
    assert found == ("--context=a b", "--kubeconfig=/k", "--as=-x")
