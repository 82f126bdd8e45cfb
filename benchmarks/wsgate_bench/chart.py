"""Bar charts as SVG, by hand: they carry their own ground, so they read on a light page and on a dark one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 760
LABEL_WIDTH = 130
VALUE_WIDTH = 90
ROW_HEIGHT = 24
BAR_HEIGHT = 14
TITLE_HEIGHT = 34
MARGIN = 16
HEADROOM = 1.25
"""The scale ends so far above the longest bar; what ranges beyond is cut there."""

STYLE = """
.ground { fill: #ffffff } text { fill: #1f2328; font: 13px system-ui, sans-serif } .title { font-weight: 600 }
.value { font-variant-numeric: tabular-nums } .range { stroke: #1f2328; stroke-width: 1.5 }
.ours { fill: #0969da } .plain { fill: #80b3ee } .other { fill: #8c959f } .floor { fill: #d0d7de }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117 } text { fill: #e6edf3 } .range { stroke: #e6edf3 }
.ours { fill: #4493f8 } .plain { fill: #1f4f8f } .other { fill: #6e7681 } .floor { fill: #3d444d }
}
"""


@dataclass(frozen=True)
class Bar:
    """A median with the least and the most; kind is one of the style's classes."""

    label: str
    kind: str
    median: float
    least: float
    most: float


@dataclass(frozen=True)
class Panel:
    """Bars on one scale of their own, which begins at zero."""

    title: str
    bars: tuple[Bar, ...]


def chart(title: str, panels: Sequence[Panel]) -> str:
    """Panels below one another; title is what a screen reader says."""
    height, parts = MARGIN, list[str]()
    for panel in panels:
        parts += _panel(panel, height)
        height += TITLE_HEIGHT + ROW_HEIGHT * len(panel.bars) + MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="{escape(title)}">'
    )
    ground = f'<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>'
    lines = [head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", ground, *parts, "</svg>"]
    return "\n".join(lines) + "\n"


def figure(value: float) -> str:
    """With three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _panel(panel: Panel, top: int) -> Iterable[str]:
    yield f'<text class="title" x="{MARGIN}" y="{top + 16}">{escape(panel.title)}</text>'
    end = max(bar.median for bar in panel.bars) * HEADROOM
    for number, bar in enumerate(panel.bars):
        yield from _bar(bar, top + TITLE_HEIGHT + number * ROW_HEIGHT, end)


def _bar(bar: Bar, top: int, end: float) -> Iterable[str]:
    left = MARGIN + LABEL_WIDTH
    width = WIDTH - left - VALUE_WIDTH - MARGIN
    length, least, most = (width * min(value, end) / end for value in (bar.median, bar.least, bar.most))
    middle = top + BAR_HEIGHT / 2
    baseline = top + BAR_HEIGHT - 2
    yield f'<text x="{left - 8}" y="{baseline}" text-anchor="end">{escape(bar.label)}</text>'
    yield f'<rect class="{bar.kind}" x="{left}" y="{top}" width="{length:.1f}" height="{BAR_HEIGHT}" rx="2"/>'
    yield (
        f'<line class="range" x1="{left + least:.1f}" x2="{left + most:.1f}" y1="{middle:.0f}" y2="{middle:.0f}"/>'
    )
    value = figure(bar.median)
    yield f'<text class="value" x="{WIDTH - MARGIN}" y="{baseline}" text-anchor="end">{value}</text>'
