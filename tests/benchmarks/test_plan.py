from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.plan import Plan, choose, client_count, split
from benchmarks.serving.results import Cell

PLAN = Plan(Path("models"))


def test_all_targets_and_parts_are_measured_by_default() -> None:
    assert PLAN.only([]) == PLAN
    assert PLAN.targets == ("duet", "naive", "mosec")
    assert PLAN.parts == ("load", "overload", "workers", "start", "memory")


def test_targets_alone_mean_their_closed_loop() -> None:
    plan = PLAN.only(["mosec", "duet"])
    assert plan.targets == ("duet", "mosec")
    assert plan.parts == ("load",)


def test_parts_alone_keep_all_targets() -> None:
    plan = PLAN.only(["start", "load"])
    assert plan.targets == PLAN.targets
    assert plan.parts == ("load", "start")


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    with pytest.raises(BenchmarkError, match=r"--only triton: the targets are duet, naive, mosec, the parts load"):
        PLAN.only(["duet", "triton"])


def test_cells_that_are_compared_follow_each_other() -> None:
    plan = Plan(Path("models"), clients=(1, 32), precisions=("fp32",))
    assert plan.groups(0) == [
        (
            "fp32",
            clients,
            [
                Cell("duet", "multipart", "fp32", clients),
                Cell("duet", "raw", "fp32", clients),
                Cell("naive", "multipart", "fp32", clients),
                Cell("mosec", "raw", "fp32", clients),
            ],
        )
        for clients in (1, 32)
    ]


def test_another_target_begins_each_round() -> None:
    first = [PLAN.groups(round_)[0][2][0] for round_ in range(5)]
    assert [(cell.target, cell.body) for cell in first] == [
        ("duet", "multipart"),
        ("duet", "raw"),
        ("naive", "multipart"),
        ("mosec", "raw"),
        ("duet", "multipart"),
    ]
    assert all(len(PLAN.groups(round_)[0][2]) == 4 for round_ in range(5))


def test_a_body_that_a_target_does_not_take_leaves_it_out() -> None:
    plan = Plan(Path("models"), bodies=("raw",), clients=(1,), precisions=("int8",))
    assert {(cell.target, cell.body) for cell in plan.groups(1)[0][2]} == {("duet", "raw"), ("mosec", "raw")}
    assert Plan(Path("models"), targets=("naive",), bodies=("raw",)).groups(1)[0][2] == []


def test_a_quick_run_is_short_and_leaves_out_no_part() -> None:
    quick = PLAN.quick()
    assert (quick.parts, quick.targets, quick.precisions) == (PLAN.parts, PLAN.targets, PLAN.precisions)
    assert quick.rounds == quick.starts == 1
    assert quick.clients == (1, 8, 32)


def test_options_are_lists_with_commas() -> None:
    assert split(" duet, ,raw") == ["duet", "raw"]
    assert split("") == []
    assert choose("--body", ["raw"], ("multipart", "raw")) == ("raw",)
    assert choose("--body", [], ("multipart", "raw")) == ("multipart", "raw")
    with pytest.raises(BenchmarkError, match="--body json: choose from multipart, raw"):
        choose("--body", ["json"], ("multipart", "raw"))


@pytest.mark.parametrize("text", ["0", "-1", "1025", "many", "1.5"])
def test_the_number_of_clients_is_bounded(text: str) -> None:
    with pytest.raises(BenchmarkError, match="--clients"):
        client_count(text)
    assert client_count("1024") == 1024
