"""What figures are worth, and how the page shows them."""

import xml.etree.ElementTree as ET
from pathlib import Path

from bench import report
from bench.record import Record
from bench.result import Result


def rates() -> Result:
    return Result("TFTP", "load", "blocks/s", bar=1.5, samples={"pxed": [30, 20, 40], "one": [10], "two": [20, 10, 30]})


def test_the_ratio_is_to_the_best_peer() -> None:
    assert rates().best_peer() == "two"
    assert rates().ratio() == 1.5
    assert rates().met() is True


def test_each_round_has_its_ratio() -> None:
    assert Result("TFTP", "load", "s", samples={"pxed": [12, 40, 30], "one": [10, 20, 30]}).ratio() == 1.2


def test_medians_are_compared_if_there_are_not_as_many_rounds() -> None:
    assert Result("TFTP", "load", "s", samples={"pxed": [12, 40, 30], "one": [10, 20]}).ratio() == 2.0


def test_lower_is_better_turns_peer_and_bar_round() -> None:
    result = Result("TFTP", "load", "s", better="lower", bar=1.0, samples={"pxed": [3.0], "one": [2.0], "two": [4.0]})
    assert result.best_peer() == "one"
    assert result.met() is False


def test_variants_of_pxed_are_no_peers() -> None:
    result = Result("TFTP", "load", "s", bar=1.0, samples={"pxed": [3.0], "pxed, 2 workers": [9.0]})
    assert result.best_peer() is None
    assert result.met() is None


def test_a_limit_needs_no_peer() -> None:
    assert Result("TFTP", "load", "MB", better="lower", limit=200, samples={"pxed": [201.0]}).met() is False


def test_the_page_says_what_was_missed_and_its_plots_are_xml(tmp_path: Path) -> None:
    behind = Result("HTTP", "<other> load", "MB/s", bar=1.0, samples={"pxed": [1.0], "nginx": [2.0]}, notes=["slow"])
    page = report.write([rates(), behind], tmp_path, versions="pxed 1").read_text()
    assert "| <other> load | 1 MB/s | nginx: 2 | 0.50 | bar at least 1 of the best peer: **missed** |" in page
    assert "* slow" in page
    plots = sorted((tmp_path / "benchmarks").glob("*.svg"))
    assert [path.name for path in plots] == ["http-other-load.svg", "tftp-load.svg"]
    for path in plots:
        ET.parse(path)  # noqa: S314 - the page's own plot
        assert f"benchmarks/{path.name}" in page


def test_what_pxed_had_no_part_in_is_shown_with_its_server(tmp_path: Path) -> None:
    ceiling = Result("Answers", "ceiling", "packets/s", samples={"echo": [30.0, 40.0, 50.0]})
    assert report.line(ceiling) == "Answers: ceiling: echo: 40 packets/s"
    page = report.write([ceiling], tmp_path, versions="").read_text()
    assert "| ceiling |  | echo: 40 packets/s |  |  |" in page


def test_a_load_without_any_figure_says_so() -> None:
    assert report.line(Result("Answers", "load", "ms")) == "Answers: load: no figure"


def test_a_load_that_is_measured_again_takes_its_old_place(tmp_path: Path) -> None:
    loads = ["tftp/one", "tftp/many", "http"]
    first = Record(tmp_path / "results.json", loads)
    first.replace("http", [Result("HTTP", "a", "s")], quick=True, date="2026-01-01")
    first.replace("tftp/many", [Result("TFTP", "b", "s"), Result("TFTP", "c", "s")], quick=False, date="2026-01-01")
    second = Record(tmp_path / "results.json", loads)
    assert second.measured(quick=False) == {"tftp/many"}
    second.replace("tftp/many", [rates()], quick=False, date="2026-01-02")
    second.replace("tftp/one", [Result("TFTP", "d", "s")], quick=False, date="2026-01-02")
    third = Record(tmp_path / "results.json", loads)
    assert [(result.name, result.date) for result in third.results] == [
        ("d", "2026-01-02"),
        ("load", "2026-01-02"),
        ("a", "2026-01-01"),
    ]
    assert third.results[1].samples == rates().samples


def test_the_record_knows_which_loads_were_never_measured(tmp_path: Path) -> None:
    record = Record(tmp_path / "results.json", ["tftp/one", "tftp/many", "http"])
    record.replace("tftp/many", [rates()], quick=True, date="2026-01-01")
    assert record.unmeasured() == ["tftp/one", "http"]


def test_the_page_says_what_a_quick_run_leaves_out(tmp_path: Path) -> None:
    result = rates()
    pages = []
    for result.quick in (True, False):
        page = report.write([result], tmp_path, versions="", unmeasured=["http"], quick=["TFTP: one round"])
        pages.append(page.read_text())
    assert "quick runs" in pages[0]
    assert "## What a quick run leaves out\n\n" in pages[0]
    assert "\n* TFTP: one round\n* no figures: `http`\n" in pages[0]
    assert "quick" not in pages[1]
    assert "## What was not measured\n\n* no figures: `http`\n" in pages[1]


def test_a_command_keeps_its_name_as_a_title(tmp_path: Path) -> None:
    results = [Result("Start", "pxed --version", "s"), Result("Start", "one client", "s")]
    page = report.write(results, tmp_path, versions="").read_text()
    assert "### pxed --version\n" in page
    assert "### One client\n" in page


def test_loads_that_do_not_exist_any_more_leave_the_record(tmp_path: Path) -> None:
    Record(tmp_path / "results.json", ["old"]).replace("old", [rates()], quick=False, date="")
    assert Record(tmp_path / "results.json", ["new"]).results == []
