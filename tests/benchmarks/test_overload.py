"""What is counted in an overload, on outcomes made by hand."""

from __future__ import annotations

import json

import pytest

from benchmarks.serving.errors import LeftOutError
from benchmarks.serving.messages import Answer
from benchmarks.serving.open_loop import Outcome
from benchmarks.serving.overload import error_kind, retry_after_ms, summarize
from benchmarks.serving.results import Load, Overload

OK = Answer(200, b"HTTP/1.1 200 OK", b"{}")
CAPACITY = Load(answered=50, errors=0, seconds=5.0, p50_ms=90.0, p99_ms=100.0)


def refusal(header: str | None = "1", milliseconds: object = 700) -> Answer:
    head = "HTTP/1.1 429 Too Many Requests" + (f"\r\nRetry-After: {header}" if header is not None else "")
    return Answer(429, head.encode(), json.dumps({"retry_after_ms": milliseconds}).encode())


def outcome(due: float, answer: Answer | None, *, after: float = 0.1, late: float = 0.0) -> Outcome:
    problem = None if answer else "never answered"
    return Outcome(due, due + late, due + after if answer else float("nan"), answer, problem)


def summarized(outcomes: list[Outcome], *, seconds: float = 10.0, recovered: bool = True) -> Overload:
    memory = (100.0, 110.0, 120.0, 115.0)
    return summarize(outcomes, "fp32", 0, 5.0, seconds, CAPACITY, memory, recovered)


def test_the_first_fifth_is_not_judged() -> None:
    outcomes = [outcome(second / 2, OK, after=3.0 if second < 4 else 0.2) for second in range(20)]
    found = summarized(outcomes)
    # 16 requests were due in the last eight seconds; four more were answered in them, but were due before.
    assert found.offered_per_second == pytest.approx(2.0)
    assert found.accepted_per_second == pytest.approx(20 / 8)
    assert found.accepted_p99_ms == pytest.approx(200)
    assert (found.capacity_per_second, found.capacity_p99_ms) == (10.0, 100.0)


def test_answers_after_the_end_are_no_throughput_but_their_latency_counts() -> None:
    found = summarized([outcome(5.0, OK), outcome(9.9, OK, after=0.5)])
    assert found.accepted_per_second == pytest.approx(1 / 8)
    assert found.accepted_p99_ms == pytest.approx(500)


def test_latency_counts_from_when_the_request_was_due() -> None:
    found = summarized([outcome(5.0, OK, after=0.3, late=0.01)])
    assert found.accepted_p50_ms == pytest.approx(300)
    assert found.send_lateness_p99_ms == pytest.approx(10)


def test_a_generator_that_falls_behind_is_not_believed() -> None:
    with pytest.raises(LeftOutError, match="50 ms late"):
        summarized([outcome(5.0, OK, late=0.05)])


def test_refusals_are_not_errors_and_everything_else_is() -> None:
    outcomes = [
        *[outcome(5.0, OK)] * 2,
        *[outcome(5.0, refusal(), after=0.01)] * 7,
        outcome(5.0, refusal(header=None)),
        outcome(5.0, Answer(504, b"HTTP/1.1 504 Late", b"{}")),
        outcome(5.0, None),
    ]
    found = summarized(outcomes)
    assert found.rejected_share == pytest.approx(8 / 12)
    assert found.other_errors == 2
    assert found.error_kinds == {"status 504": 1, "never answered": 1}
    assert found.retry_after_present == pytest.approx(7 / 8)
    assert found.retry_after_p50_ms == 700
    # A quick refusal must not make the accepted requests look quick.
    assert found.accepted_p50_ms == pytest.approx(100)


def test_without_refusals_there_is_no_retry_after() -> None:
    found = summarized([outcome(5.0, OK)])
    assert (found.retry_after_present, found.retry_after_p50_ms, found.rejected_share) == (0.0, None, 0.0)


def test_memory_and_recovery_are_passed_on() -> None:
    found = summarized([outcome(5.0, OK)], recovered=False)
    assert (found.rss_before_mb, found.rss_third_mb, found.rss_peak_mb, found.rss_after_mb) == (100, 110, 120, 115)
    assert found.recovered is False


@pytest.mark.parametrize(("header", "milliseconds"), [("1", 1), ("1", 1000), ("2", 1001), ("60", 60_000)])
def test_a_refusal_that_says_how_long_to_wait(header: str, milliseconds: int) -> None:
    assert retry_after_ms(refusal(header, milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("header", "milliseconds"),
    [(None, 700), ("1", None), ("1", "700"), ("1", 0), ("1", 1001), ("2", 700), ("soon", 700), ("61", 60_001)],
)
def test_a_refusal_that_does_not_say_so_as_it_should(header: str | None, milliseconds: object) -> None:
    assert retry_after_ms(refusal(header, milliseconds)) is None


def test_a_refusal_without_json_says_nothing() -> None:
    assert retry_after_ms(Answer(429, b"HTTP/1.1 429 No\r\nRetry-After: 1", b"busy")) is None


def test_kinds_of_errors() -> None:
    assert error_kind(outcome(0, OK)) is None
    assert error_kind(outcome(0, refusal())) is None
    assert error_kind(outcome(0, Answer(503, b"", b""))) == "status 503"
    assert error_kind(outcome(0, None)) == "never answered"
