"""A problem reads as file, line, field, fault, way out."""

import pytest

from wsgate_operator.sources.problem import Problem


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("a.yaml", "is empty"), "a.yaml: is empty"),
        (Problem("a.yaml", "is bad", "mend it", 12, 3), "a.yaml:12: is bad; mend it"),
        (Problem("a.yaml", "is bad", "mend it", 12, 3, "spec.prefix"), "a.yaml:12: spec.prefix: is bad; mend it"),
    ],
)
def test_a_problem_reads_as_one_line(problem: Problem, text: str) -> None:
    assert str(problem) == text
