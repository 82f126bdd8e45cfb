"""The page on performance and its charts are made from the run that is checked in with them."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.benchmarks.runs import whole_run
from wsgate_bench.publish import FOLDER, NAME, files
from wsgate_bench.record import from_json
from wsgate_bench.scenarios import shortened

SVG = "{http://www.w3.org/2000/svg}"


def test_the_page_and_its_charts_are_those_that_the_checked_in_run_makes() -> None:
    figures = FOLDER / f"{NAME}.json"
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob(f"{NAME}*")}
    assert there == files(from_json(figures.read_text(encoding="utf-8")))


def test_a_chart_is_well_formed_and_has_a_bar_for_each_peer_and_panel() -> None:
    chart = ElementTree.fromstring(files(whole_run())[f"{NAME}-messages.svg"])
    bars = [each for each in chart.iter(f"{SVG}rect") if each.get("class") != "ground"]
    assert len(bars) == 3 * 7
    assert [each.get("class") for each in bars[:3]] == ["ours", "plain", "other"]


def test_a_bar_is_as_long_as_its_value() -> None:
    chart = ElementTree.fromstring(files(whole_run())[f"{NAME}-memory.svg"])
    lengths = [float(each.get("width", 0)) for each in chart.iter(f"{SVG}rect") if each.get("class") != "ground"]
    # The medians are 10.5, 20.5, 30.5 and so on.
    assert lengths[2] / lengths[0] == pytest.approx(30.5 / 10.5, abs=0.02)


def test_the_page_tells_of_each_target_what_was_measured() -> None:
    page = files(whole_run())[f"{NAME}.md"]
    assert "| wsgate / nginx | 1.6 | 0.34 (0.33 to 0.35) | met |" in page
    assert "Some <CPU> & more" in page


@pytest.mark.parametrize(
    ("is_quick", "failure", "words"),
    [(True, "", "--quick"), (False, "refused", "failed")],
)
def test_a_run_that_is_not_whole_is_refused(failure: str, words: str, *, is_quick: bool) -> None:
    record = whole_run()
    if is_quick:
        plan = dataclasses.replace(record.plan, scenarios=tuple(map(shortened, record.plan.scenarios)))
        record = dataclasses.replace(record, plan=plan)
    first = dataclasses.replace(record.samples[0], failure=failure)
    with pytest.raises(ValueError, match=words):
        files(dataclasses.replace(record, samples=(first, *record.samples[1:])))


def test_a_run_without_a_peer_is_refused_by_its_name() -> None:
    record = whole_run()
    plan = dataclasses.replace(record.plan, peers=record.plan.peers[:-1])
    with pytest.raises(ValueError, match="lacks direct"):
        files(dataclasses.replace(record, plan=plan))


def test_the_command_writes_the_files_and_refuses_what_is_no_run(tmp_path: Path) -> None:
    results, folder = tmp_path / "results.json", tmp_path / "docs"
    folder.mkdir()
    results.write_text(whole_run().to_json(), encoding="utf-8")
    assert publish(results, folder).returncode == 0
    written = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert written == files(from_json(whole_run().to_json()))
    results.write_text("[]", encoding="utf-8")
    done = publish(results, folder)
    assert done.returncode == 1
    assert "nothing was written" in done.stderr


def publish(results: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wsgate_bench.publish", str(results), "--folder", str(folder)]
    return subprocess.run(
        command, cwd=FOLDER.parents[1] / "benchmarks", capture_output=True, text=True, check=False
    )
