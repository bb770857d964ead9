from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.serving.report import markdown, print_report, write_json
from tests.benchmarks.results import COSTS, make_overload, make_results, make_sample, make_scaling

RESULTS = make_results(
    make_sample(per_second=370, round_=0),
    make_sample(per_second=350, round_=1),
    make_sample("mosec", "raw", clients=1, per_second=90.0),
    overloads=(make_overload(other_errors=3, error_kinds={"status 504": 2, "ConnectionResetError": 1}),),
    scalings=(make_scaling(400, 720),),
    costs=COSTS,
    left_out=("int8: cnn@7 has no int8 graph",),
)


def rows(text: str, title: str) -> list[list[str]]:
    lines = text.partition(f"### {title}\n\n")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_states_what_was_measured_and_with_what() -> None:
    head = markdown(RESULTS).partition("###")[0]
    for words in ("cnn@7", "132.1 M multiply-accumulates", "2,162,650 parameters", "a processor", "onnxruntime 1.2.3"):
        assert words in head
    assert "not idle" not in head
    assert "Something else" not in head


def test_the_page_says_where_the_machine_was_disturbed() -> None:
    sample = make_sample()
    sample = replace(sample, raw=replace(sample.raw, core_share=0.66))
    busy = replace(make_results(sample), setup=replace(RESULTS.setup, load_average=2.0))
    head = markdown(busy).partition("###")[0]
    assert "not idle: its load average was 2.0" in head
    assert "once had 66% of it" in head


def test_the_table_of_the_closed_loop_has_a_row_for_each_cell() -> None:
    headings, _, *cells = rows(markdown(RESULTS), "Closed loop")
    assert headings[:6] == ["precision", "clients", "server", "body", "requests/s", "/ raw batch 32"]
    # In the order of clients, whatever the order of measurement; over rounds, median and spread.
    assert [row[1:3] for row in cells] == [["1", "mosec"], ["32", "duet"]]
    assert cells[1][4:6] == ["360 (350..370)", "0.90 (0.88..0.93)"]
    assert all(len(row) == len(headings) for row in cells)


def test_every_table_is_one_that_markdown_can_show() -> None:
    text = markdown(RESULTS)
    for title in ("onnxruntime alone, one thread", "Closed loop", "Overload, a row per round", "Goals"):
        headings, rule, *cells = rows(text, title)
        assert cells
        assert {len(row) for row in cells} == {len(headings)} == {len(rule)}
    assert "2 status 504, 1 ConnectionResetError" in text
    assert text.endswith("Left out:\n\n- int8: cnn@7 has no int8 graph\n")


def test_the_terminal_shows_the_same_figures() -> None:
    console = Console(file=io.StringIO(), width=240)
    print_report(RESULTS, console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for words in ("0.90 (0.88..0.93)", "not met", "left out: int8: cnn@7 has no int8 graph"):
        assert words in shown


def test_json_has_every_sample_and_verdict(tmp_path: Path) -> None:
    write_json(RESULTS, tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text())
    assert [sample["load"]["answered"] for sample in content["samples"]] == [1850, 1750, 450]
    assert content["samples"][0]["cell"] == {
        "target": "duet",
        "body": "multipart",
        "precision": "fp32",
        "clients": 32,
    }
    assert content["setup"]["macs"] == 132_100_000
    assert content["overloads"][0]["error_kinds"] == {"status 504": 2, "ConnectionResetError": 1}
    assert {goal["met"] for goal in content["goals"]} == {True, False}


def test_a_figure_that_does_not_exist_is_null(tmp_path: Path) -> None:
    nothing = make_sample(per_second=0, p50_ms=float("nan"), p99_ms=float("nan"), errors=9)
    write_json(make_results(nothing), tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["samples"][0]["load"]["p50_ms"] is None
