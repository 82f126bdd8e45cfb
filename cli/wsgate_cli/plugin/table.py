"""Rows in columns for a terminal; what strangers have chosen cannot steer it."""

from collections.abc import Mapping, Sequence

CELL_CHARACTERS_MAX = 60
"""Of a cell in a table that is not wide."""
GAP = "   "


def plain(value: object) -> str:
    """One line of printable characters, "-" for nothing: a path may hold escape sequences."""
    if value is None or value == "":
        return "-"
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in str(value))


def table(titles: Sequence[str], rows: Sequence[Mapping[str, str]], *, is_wide: bool) -> str:
    """A line of titles, then one line for each row."""
    lines = [list(titles), *([_cell(row[title], is_wide=is_wide) for title in titles] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def _cell(text: str, *, is_wide: bool) -> str:
    text = plain(text)
    return text if is_wide or len(text) <= CELL_CHARACTERS_MAX else f"{text[: CELL_CHARACTERS_MAX - 1]}…"
