"""The house rules that a linter does not know; each check names all offenders at once."""

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.test_layout import PACKAGES, ROOT, SOURCES, fail_for, place, tree

TESTS = {
    "wsgate_dataplane": ROOT / "tests/dataplane",
    "wsgate_operator": ROOT / "tests/operator",
    "wsgate_contract": ROOT / "tests/contract",
    "wsgate_cli": ROOT / "tests/cli",
}
ORIGINAL_DEFECTS = 19
WITHOUT_TEST_FILE = {"__init__.py", "__main__.py"}
TASKS_START_IN = ROOT / "dataplane/wsgate_dataplane/server.py"
WRITTEN = sorted(
    path
    for folder in ("operator", "dataplane", "cli", "tests", "benchmarks", "docs", "e2e")
    for path in (ROOT / folder).rglob("*.py")
)

EXCEPTION = re.compile(r"#\s*(noqa|type:\s*ignore|pragma|mypy:|ruff:)")
EXCEPTION_WITH_REASON = re.compile(
    r"# (noqa: [A-Z0-9, ]+|type: ignore\[[a-z0-9, -]+\]|pragma: no cover)"
    r"(  # (noqa: [A-Z0-9, ]+|type: ignore\[[a-z0-9, -]+\]))*"
    r"  # \S.{7,}"
)
"""The code of what is excepted, two spaces, then why."""

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
BINDINGS = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.AugAssign)


def test_every_source_file_has_a_test_file_of_the_same_name() -> None:
    fail_for(
        [
            f"{source.relative_to(ROOT)}: no {wanted.relative_to(ROOT)}"
            for name, package in PACKAGES.items()
            for source in sorted(package.rglob("*.py"))
            if source.name not in WITHOUT_TEST_FILE
            for wanted in [TESTS[name] / source.relative_to(package).with_name(f"test_{source.name}")]
            if not wanted.exists()
        ]
    )


def test_every_defect_of_the_original_gateway_has_a_test_that_is_named_after_it() -> None:
    names = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    fail_for(
        [
            f"defect {number}: no test_defect_{number}_..."
            for number in range(1, ORIGINAL_DEFECTS + 1)
            if not any(name.startswith(f"test_defect_{number}_") for name in names)
        ]
    )


def test_a_tests_name_is_a_sentence() -> None:
    fail_for(
        [
            f"{place(path, node.lineno)}: {node.name} has fewer than three words"
            for path in sorted((ROOT / "tests").rglob("test_*.py"))
            for node in ast.walk(tree(path))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
            and node.name.count("_") < 3
        ]
    )


def test_importing_a_module_does_no_work() -> None:
    fail_for(
        [
            f"{place(path, statement.lineno)}: {ast.unparse(statement).splitlines()[0]}"
            for path in SOURCES
            for statement in tree(path).body
            if not declares(statement)
        ]
    )


def declares(statement: ast.stmt) -> bool:
    """Whether a module-level statement only names things, or is one of the two customary ifs."""
    if isinstance(statement, ast.If):
        test = ast.unparse(statement.test)
        return test in ("TYPE_CHECKING", "__name__ == '__main__'") or test.startswith("sys.platform")
    # A bare string documents the constant above it.
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    is_type_alias = type(statement).__name__ == "TypeAlias"
    return is_text or is_type_alias or isinstance(statement, DEFINITIONS + BINDINGS)


def test_tasks_outside_a_task_group_start_in_one_file() -> None:
    fail_for(
        [
            f"{place(path, call.lineno)}: {ast.unparse(call.func)}"
            for path in SOURCES
            if path != TASKS_START_IN
            for call in ast.walk(tree(path))
            if isinstance(call, ast.Call) and starts_loose_task(call.func)
        ]
    )


def starts_loose_task(function: ast.expr) -> bool:
    """Whether a call makes a task that no TaskGroup owns: asyncio.create_task, ensure_future, loop.create_task."""
    if isinstance(function, ast.Name):
        return function.id in ("create_task", "ensure_future")
    if not isinstance(function, ast.Attribute):
        return False
    owner = ast.unparse(function.value)
    return function.attr == "ensure_future" or (
        function.attr == "create_task" and (owner == "asyncio" or "loop" in owner.lower())
    )


def test_the_token_library_is_imported_in_at_most_one_module() -> None:
    importers = [
        place(path, node.lineno)
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom) and "jose" in top_level_packages(node)
    ]
    fail_for(importers if len({importer.split(":")[0] for importer in importers}) > 1 else [])


def top_level_packages(node: ast.Import | ast.ImportFrom) -> set[str]:
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    return {name.split(".")[0] for name in names}


def test_a_linter_exception_carries_its_reason() -> None:
    fail_for(
        [
            f"{place(path, line)}: {comment}"
            for path in WRITTEN
            for line, comment in comments(path)
            if EXCEPTION.match(comment) and not EXCEPTION_WITH_REASON.fullmatch(comment)
        ]
    )


def comments(path: Path) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


@pytest.mark.parametrize("package", ["wsgate_dataplane", "wsgate_operator"])
def test_the_import_contract_lists_exactly_the_rooms_there_are(package: str) -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        each
        for each in config["tool"]["importlinter"]["contracts"]
        if each["type"] == "layers" and each["containers"] == [package]
    )
    listed = {room.strip() for layer in contract["layers"] for room in layer.split("|")}
    # Parentheses mark a room that may be missing.
    optional = {room.strip("()") for room in listed if room.startswith("(")}
    there = {path.name.removesuffix(".py") for path in PACKAGES[package].iterdir() if is_room(path)}
    # Exhaustive makes the linter refuse a room that the list lacks; this refuses a listed one that is gone.
    assert contract["exhaustive"] is True
    assert there - optional == {room for room in listed if not room.startswith("(")}


def is_room(path: Path) -> bool:
    return (path / "__init__.py").exists() or (path.suffix == ".py" and path.name != "__init__.py")


@pytest.mark.parametrize(
    ("comment", "is_excused"),
    [
        ("# noqa: BLE001  # the outermost border", True),
        ("# type: ignore[arg-type]  # feed_data is all it calls", True),
        ("# noqa: BLE001", False),
        ("# noqa", False),
        ("# type: ignore", False),
        ("# type: ignore[arg-type] - splatted", False),
        ("# noqa: FBT001  # why", False),
    ],
)
def test_the_check_of_reasons_itself_tells_excused_from_bare(comment: str, *, is_excused: bool) -> None:
    assert EXCEPTION.match(comment)
    assert bool(EXCEPTION_WITH_REASON.fullmatch(comment)) is is_excused
