"""A goal is met by the median over rounds, and one that was not measured is not judged."""

from __future__ import annotations

from benchmarks.serving.goals import Goal, judge
from benchmarks.serving.results import Memory, ProcessCosts
from tests.benchmarks.results import COSTS, make_overload, make_results, make_sample, make_scaling


def the(goals: list[Goal], words: str) -> Goal:
    found = [goal for goal in goals if words in goal.what]
    assert len(found) == 1, [goal.what for goal in goals]
    return found[0]


def test_a_run_without_measurements_has_no_goals() -> None:
    assert judge(make_results()) == []


def test_throughput_is_compared_with_the_raw_speed_of_its_own_round() -> None:
    # The machine was half as fast in the second round: requests/s say nothing, ratios do.
    samples = [
        make_sample(per_second=368, raw_images=400, round_=0),
        make_sample(per_second=184, raw_images=200, round_=1),
    ]
    goal = the(judge(make_results(*samples)), "fp32, multipart")
    assert goal.measured == "0.92"
    assert goal.met is True


def test_the_median_round_decides_and_the_spread_is_shown() -> None:
    rates = (380, 352, 356)
    samples = [make_sample(per_second=rate, raw_images=400, round_=index) for index, rate in enumerate(rates)]
    goal = the(judge(make_results(*samples)), "fp32, multipart")
    assert goal.measured == "0.89 (0.88..0.95)"
    assert goal.met is False


def test_int8_has_goals_for_both_bodies() -> None:
    samples = [
        make_sample(body=body, precision="int8", per_second=1000, raw_images=1250) for body in ("raw", "multipart")
    ]
    goals = judge(make_results(*samples))
    assert the(goals, "int8, raw").met is False
    assert the(goals, "int8, multipart").met is True


def test_mosec_is_compared_round_by_round() -> None:
    samples = [
        make_sample(per_second=400, round_=0),
        make_sample("mosec", "raw", per_second=380, round_=0),
        make_sample(per_second=200, round_=1),
        make_sample("mosec", "raw", per_second=190, round_=1),
        make_sample(per_second=100, round_=2),
    ]
    goal = the(judge(make_results(*samples)), "Mosec")
    assert goal.measured == "1.05"
    assert goal.met is True
    assert not [goal for goal in judge(make_results(samples[0])) if "Mosec" in goal.what]


def test_latency_goals() -> None:
    goals = judge(
        make_results(
            make_sample(clients=1, p50_ms=2.6, raw_ms=2.0),
            make_sample(clients=64, p50_ms=100, p99_ms=149),
            make_sample(body="raw", clients=64, p50_ms=100, p99_ms=151),
        )
    )
    assert the(goals, "one client").met is False
    assert the(goals, "one client").measured == "1.30"
    assert the(goals, "64 clients, fp32, multipart").met is True
    assert the(goals, "64 clients, fp32, raw").met is False


def test_errors_of_the_service_count_in_every_cell_and_those_of_others_do_not() -> None:
    samples = [make_sample(errors=1), make_sample(clients=8, errors=2), make_sample("naive", errors=7)]
    goal = the(judge(make_results(*samples)), "errors")
    assert (goal.measured, goal.met) == ("3", False)


def test_an_overload_that_was_stood_up_to_meets_every_goal() -> None:
    goals = judge(make_results(overloads=(make_overload(),)))
    assert len(goals) == 6
    assert all(goal.met for goal in goals)


def test_each_failing_of_an_overload_is_seen() -> None:
    failings: dict[str, dict[str, object]] = {
        "p99 of accepted": {"accepted_p99_ms": 481.0},
        "throughput over capacity": {"accepted_per_second": 339.0},
        "answered 429": {"other_errors": 1},
        "consistent Retry-After": {"retry_after_present": 0.99},
        "memory after": {"rss_after_mb": 169.0},
        "next request": {"recovered": False},
    }
    for words, fields in failings.items():
        goals = judge(make_results(overloads=(make_overload(**fields),)))
        assert [goal.what for goal in goals if not goal.met] == [the(goals, words).what]


def test_scaling_is_judged_only_where_the_load_leaves_room() -> None:
    def verdict(*, generator_cpu: float, load_core_is_free: bool, two: float = 680.0) -> bool | None:
        scaling = make_scaling(400, two, generator_cpu=generator_cpu, load_core_is_free=load_core_is_free)
        return the(judge(make_results(scalings=(scaling,))), "two workers").met

    assert verdict(generator_cpu=0.05, load_core_is_free=False) is True
    assert verdict(generator_cpu=0.05, load_core_is_free=False, two=660) is False
    assert verdict(generator_cpu=0.4, load_core_is_free=False) is None
    assert verdict(generator_cpu=0.4, load_core_is_free=True, two=660) is False


def test_start_and_memory() -> None:
    goals = judge(make_results(costs=COSTS))
    assert the(goals, "start").measured == "0.70 (0.60..0.80)"
    assert the(goals, "start").met is True
    assert the(goals, "2 champions").measured == "170 (warm 150)"
    heavy = ProcessCosts((2.5,), Memory(150.0, 140.0), Memory(201.0, 190.0), ("cnn",))
    assert [goal.met for goal in judge(make_results(costs=heavy))] == [False, False]
