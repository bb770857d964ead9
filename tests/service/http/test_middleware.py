from __future__ import annotations

import re
import subprocess
import sys

import pytest
from starlette.datastructures import Headers

from service.http.middleware import read_context
from service.observability.logging import RequestContext

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def context_of(headers: dict[str, str]) -> RequestContext:
    return read_context(Headers(headers).raw, now=5.0, deadline_seconds=2.5)


@pytest.mark.parametrize("request_id", ["a", "req-1:2/3", "x" * 128, "550e8400-e29b-41d4-a716-446655440000"])
def test_valid_request_id_is_kept(request_id: str) -> None:
    assert context_of({"x-request-id": request_id}).id == request_id


@pytest.mark.parametrize("request_id", [None, "", "a b", "x" * 129, "a\nb", '"', "\u00e9", "<b>"])
def test_invalid_request_id_is_replaced(request_id: str | None) -> None:
    headers = {} if request_id is None else {"x-request-id": request_id}
    first, second = (context_of(headers).id for _ in range(2))
    assert first != second
    assert all(re.fullmatch("[0-9a-f]{32}", fresh) for fresh in (first, second))


@pytest.mark.parametrize("trace", [TRACE, TRACE.replace("00-4", "01-4") + "-more"])
def test_valid_traceparent_is_kept(trace: str) -> None:
    assert context_of({"traceparent": trace}).traceparent == trace


@pytest.mark.parametrize(
    "trace",
    ["", "00", TRACE.upper(), "ff" + TRACE[2:], f"00-{'0' * 32}-{'a' * 16}-01", f"00-{'a' * 32}-{'0' * 16}-01"],
)
def test_invalid_traceparent_is_dropped(trace: str) -> None:
    assert context_of({"traceparent": trace}).traceparent is None


def test_deadline_counts_from_the_head() -> None:
    context = context_of({})
    assert (context.started, context.deadline) == (5.0, 7.5)


def test_new_ids_differ_between_processes() -> None:
    program = (
        "from service.http.middleware import read_context; print(read_context([], now=0.0, deadline_seconds=1.0).id)"
    )
    ids = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True).stdout
        for _ in range(2)
    }
    assert len(ids) == 2
