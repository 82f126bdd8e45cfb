"""The pages' links lead somewhere."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changes").glob("*.md")])

FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
ELSEWHERE = ("http://", "https://", "mailto:")


def links(text: str) -> Iterator[str]:
    """The targets of the links within the repository; code is not prose."""
    prose = CODE.sub("", FENCE.sub("", text))
    return (target for target in LINK.findall(prose) if not target.startswith(ELSEWHERE))


@cache
def anchors(page: Path) -> frozenset[str]:
    """The names that a page's headings get, as GitHub makes them."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def faults(page: Path) -> Iterator[str]:
    """One line for each link of the page that leads nowhere."""
    for target in links(page.read_text(encoding="utf-8")):
        name, _, anchor = unquote(target).partition("#")
        found = (page.parent / name).resolve() if name else page
        if not found.exists():
            yield f"{page.relative_to(ROOT)}: {target} does not exist"
        elif not found.is_relative_to(ROOT):
            yield f"{page.relative_to(ROOT)}: {target} is outside the repository"
        elif anchor and found.suffix == ".md" and anchor not in anchors(found):
            yield f"{page.relative_to(ROOT)}: {target} names no heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_of_a_page_leads_somewhere(page: Path) -> None:
    found = list(faults(page))
    assert not found, "\n".join(found)


def test_every_page_of_the_documentation_is_reachable_from_its_index() -> None:
    index = ROOT / "docs/README.md"
    reached, waiting = {index}, [index]
    while waiting:
        page = waiting.pop()
        for target in links(page.read_text(encoding="utf-8")):
            found = (page.parent / target.partition("#")[0]).resolve()
            if found.suffix == ".md" and found.exists() and found not in reached:
                reached.add(found)
                waiting.append(found)
    lost = [str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md") if page not in reached]
    assert not lost, "\n".join(lost)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see [this](a.md) and [that](b/c.md#d)", ["a.md", "b/c.md#d"]),
        ("`[not](code.md)`", []),
        ("```\n[not](block.md)\n```\n", []),
        ("[web](https://example.com/)", []),
    ],
)
def test_the_check_of_links_itself_reads_prose_only(text: str, found: list[str]) -> None:
    assert list(links(text)) == found
