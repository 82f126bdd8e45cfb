"""What is wrong with a file, with the place to look and the way out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One fault, or one remark, about a file."""

    file: str
    message: str
    fix: str = ""
    line: int | None = None
    column: int | None = None
    path: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        text = f"{self.path}: {self.message}" if self.path else self.message
        return f"{place}: {text}; {self.fix}" if self.fix else f"{place}: {text}"
