"""What was done, with seconds, as it happens; what was measured, as a table at the end."""

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class Report:
    """Progress goes to stderr, the table is text for a person or a page."""

    def __init__(self) -> None:
        self._rows: list[str] = []

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Tell how long the block takes."""
        start = time.monotonic()
        self.say(f"{what} ...")
        yield
        self.say(f"{what}: {time.monotonic() - start:.1f} s")

    def say(self, text: str) -> None:
        """One line of progress."""
        sys.stderr.write(f"{time.strftime('%H:%M:%S')}  e2e node: {text}\n")
        sys.stderr.flush()

    def add(self, what: str, seconds: Sequence[float] | float) -> None:
        """A row of the table: one duration, or several that were measured alike."""
        values = [seconds] if isinstance(seconds, float) else list(seconds)
        figures = (min(values), statistics.median(values), max(values))
        self._rows.append(f"| {what} | {len(values)} | {' | '.join(f'{figure:.2f}' for figure in figures)} |")
        self.say(self._rows[-1])

    def table(self) -> str:
        """Markdown."""
        head = ["| seconds | n | min | median | max |", "|---|---|---|---|---|"]
        return "\n".join(head + self._rows)
