"""JobRunner in a thread, with a real broker and scripts as children."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.errors import CorruptVersionError
from core.jobs.events import Note, NotPromoted, Promoted
from core.jobs.parameters import EvaluateParameters, TrainParameters
from core.jobs.records import JobRecord
from service.jobs.worker.runner import JobRunner
from service.settings import Settings
from tests.support.broker import Broker
from tests.support.children import group_of, processes_of
from tests.support.job_children import double
from tests.support.job_workers import PATIENCE_S, Jobs

ENDLESS = """
    tell("stage", name="fit")
    while True:
        progress(1)
        if select.select([sys.stdin], [], [], 0.02)[0]:
            assert hear()["event"] == "cancel"
            sys.exit(3)
"""
STUBBORN = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "600"])
    tell("note", text="up")
    while True:
        time.sleep(1)
"""
DEAF = """
    tell("note", text="up")
    while True:
        time.sleep(1)
"""


class RunnerSetup:
    """A runner with its jobs, and the messages and promotions that it requested."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.jobs = Jobs(broker)
        self.folder = folder
        self.sent: list[str] = []
        self.decided: list[tuple[str, str]] = []
        self.refusal: Exception | None = None

    def runner(self, child: str, *, worker: str = "one", **settings: Any) -> JobRunner:
        python = double(self.folder / f"python-{worker}", child)
        values: dict[str, Any] = {
            "home": self.folder / "home",
            "training_python": python,
            "job_threads": 3,
            "job_free_mib": 0,
        }
        return JobRunner(
            self.jobs.store,
            lambda record: self.sent.append(record.id),
            self._decide,
            Settings(**(values | settings)),
            worker=worker,
        )

    def _decide(self, parameters: TrainParameters, reference: str, record: JobRecord) -> Promoted | NotPromoted:
        self.decided.append((reference, parameters.promote))
        if self.refusal is not None:
            raise self.refusal
        return Promoted(report={"passed": True})

    def run(self, child: str, **settings: Any) -> JobRecord:
        """Run a job to its end."""
        job = self.jobs.submit(send=False)
        self.runner(child, **settings).run(job)
        return self.jobs.store.get(job)

    @contextmanager
    def running(self, runner: JobRunner, job: str) -> Iterator[threading.Thread]:
        """Run the job in the background; it is stopped at the end of the test."""
        thread = threading.Thread(target=runner.run, args=[job], daemon=True)
        thread.start()
        try:
            yield thread
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        finally:
            runner.stopping.set()
            thread.join(PATIENCE_S)

    def notes(self, job: str) -> list[str]:
        return [event.text for event in self.jobs.events(job) if isinstance(event, Note)]

    def log(self, job: str) -> str:
        return (self.folder / "home" / "runs" / job / "log.txt").read_text()


@pytest.fixture
def setup(broker: Broker, tmp_path: Path) -> Iterator[RunnerSetup]:
    setup = RunnerSetup(broker, tmp_path)
    yield setup
    setup.jobs.store.client.close()


def test_run_records_the_result_and_the_log(setup: RunnerSetup) -> None:
    record = setup.run('tell("stage", name="fit"); print("hello"); tell("result", result={"a": [1]})')
    assert (record.state, record.result, record.attempt, record.worker) == ("succeeded", {"a": [1]}, 1, "one")
    assert setup.jobs.kinds(record.id) == ["submitted", "claimed", "stage", "result", "finished"]
    heading, printed = setup.log(record.id).splitlines()
    assert printed == "hello"
    assert f"attempt 1 (token {record.token}) by one, request of-the-test" in heading


def test_child_gets_its_environment_without_secrets(setup: RunnerSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_REDIS_URL", "redis://:secret@nowhere")
    monkeypatch.setenv("DUET_API_KEYS", "admin:0123456789abcdef")
    record = setup.run(
        """
        import time
        ends = time.monotonic() + 30  # it may run before its priority is lowered
        while os.nice(0) < min(19, os.getpriority(os.PRIO_PROCESS, os.getppid()) + 10) and time.monotonic() < ends:
            time.sleep(0.01)
        tell("result", result={
            "environment": dict(os.environ), "nice": os.nice(0),
            "leads": os.getpgrp() == os.getsid(0) == os.getpid(),
            "threads": job.threads, "kind": job.kind, "parameters": parameters,
        })
        """
    )
    assert record.result is not None
    environment = record.result["environment"]
    assert isinstance(environment, dict)
    assert "DUET_REDIS_URL" not in environment
    assert "DUET_API_KEYS" not in environment
    assert environment["DUET_HOME"] == str(setup.folder / "home")
    assert environment["OMP_NUM_THREADS"] == record.result["threads"] == "3"
    assert environment["REQUEST_ID"] == "of-the-test"
    assert record.result["nice"] == min(19, os.nice(0) + 10)
    assert record.result["leads"] is True
    assert record.result["kind"] == "train"
    assert record.result["parameters"] == record.parameters


def test_parameters_longer_than_a_command_line_reach_the_child(setup: RunnerSetup) -> None:
    long = "x" * 200_000  # Linux allows 128 KiB per argument
    parameters = TrainParameters(recipe="mlp_baseline", promote="never", overrides={"recipe": long})
    job = setup.jobs.submit(parameters, send=False)
    setup.runner('tell("note", text=str(len(parameters["overrides"]["recipe"])))').run(job)
    assert setup.notes(job)[0] == "200000"


def test_invalid_lines_become_notes(setup: RunnerSetup) -> None:
    record = setup.run(
        """
        write(b"garbage\\n\\x00\\xff\\xfe\\n[1, 2]\\n\\n")
        write(b'{"event": "finished", "state": "succeeded"}\\n{"event": "progress"}\\n')
        write(b'{"event": "note", "text": "' + b"x" * 3_000_000 + b'"}\\n')
        tell("note", text="still here")
        tell("result", result={})
        write(b'{"event": "note", "text": "cut o')
        """
    )
    assert record.state == "succeeded"
    *complaints, still_here, cut = setup.notes(record.id)
    assert len(complaints) == 7
    assert all(text.startswith("the job's process wrote an invalid event") for text in complaints)
    assert "3,000,02" in complaints[-1]
    assert still_here == "still here"
    assert "cut o" in cut


def test_invalid_lines_beyond_twenty_are_dropped(setup: RunnerSetup) -> None:
    record = setup.run('write(b"garbage\\n" * 200_000); tell("result", result={})')
    assert record.state == "succeeded"
    assert len(setup.notes(record.id)) == 20
    assert setup.notes(record.id)[-1].endswith("further such lines are not reported")


def test_failure_reported_by_the_child_fails_the_job(setup: RunnerSetup) -> None:
    record = setup.run('tell("failed", error="DataError", message="there is no data"); sys.exit(1)')
    assert record.state == "failed"
    assert record.error is not None
    assert (record.error.type, record.error.message) == ("DataError", "there is no data")
    assert setup.sent == []


def test_crash_is_resumed_once(setup: RunnerSetup) -> None:
    job = setup.jobs.submit(send=False)
    runner = setup.runner('tell("note", text="up"); os.kill(os.getpid(), signal.SIGKILL)')
    runner.run(job)
    assert setup.jobs.store.get(job).state == "queued"
    assert setup.sent == [job]
    runner.run(job)
    record = setup.jobs.store.get(job)
    assert (record.state, record.attempt, setup.sent) == ("failed", 2, [job])
    assert record.error is not None
    assert "SIGKILL" in record.error.message
    assert setup.jobs.kinds(job) == [
        "submitted", "claimed", "note", "interrupted", "claimed", "note", "interrupted", "finished",
    ]  # fmt: skip
    tokens = [stored.token for stored in setup.jobs.stored(job) if stored.event.event == "note"]
    assert tokens[0] is not None
    assert tokens[1] is not None
    assert tokens[0] < tokens[1]


def test_exit_1_without_a_report_is_an_interruption(setup: RunnerSetup) -> None:
    job = setup.jobs.submit(send=False)
    setup.runner("sys.exit(1)").run(job)
    assert setup.jobs.store.get(job).state == "queued"
    assert "status 1 without reporting an error" in str(setup.jobs.events(job))


def test_cancel_asks_the_child_before_any_signal(setup: RunnerSetup) -> None:
    runner, job = setup.runner(ENDLESS), setup.jobs.submit(send=False)
    with setup.running(runner, job):
        setup.jobs.until_told(job, "progress")
        assert setup.jobs.store.request_cancel(job).state == "cancelling"
    assert setup.jobs.store.get(job).state == "cancelled"
    assert setup.jobs.kinds(job) == ["submitted", "claimed", "stage", "cancelling", "finished"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "child", [pytest.param(STUBBORN, id="stubborn"), pytest.param(DEAF, id="deaf", marks=pytest.mark.full)]
)
def test_cancel_kills_the_whole_group_in_ten_seconds(child: str, setup: RunnerSetup) -> None:
    runner, job = setup.runner(child), setup.jobs.submit(send=False)
    with setup.running(runner, job):
        setup.jobs.until_told(job, "note")
        (pid,) = processes_of(job)
        assert len(group_of(pid)) == (2 if child is STUBBORN else 1)
        setup.jobs.store.request_cancel(job)
    record = setup.jobs.store.get(job)
    cancelling = next(stored.at for stored in setup.jobs.stored(job) if stored.event.event == "cancelling")
    assert record.state == "cancelled"
    assert record.finished_at is not None
    assert (record.finished_at - cancelling).total_seconds() < 10
    setup.jobs.until(lambda: group_of(pid) == [])  # on a busy machine, to be killed takes a moment too


def test_job_cancelled_in_the_queue_does_not_start(setup: RunnerSetup) -> None:
    job = setup.jobs.submit(send=False)
    setup.jobs.store.request_cancel(job)
    setup.runner(ENDLESS).run(job)
    assert setup.jobs.kinds(job) == ["submitted", "finished"]
    assert not (setup.folder / "home").exists()


def test_late_cancel_keeps_the_result_and_does_not_promote(setup: RunnerSetup) -> None:
    runner, job = (
        setup.runner(
            """
            tell("published", reference="mlp@7", test_accuracy=0.5)
            tell("result", result={"reference": "mlp@7"})
            assert hear()["event"] == "cancel"
            """
        ),
        setup.jobs.submit(send=False),
    )
    with setup.running(runner, job):
        setup.jobs.until_told(job, "result")
        setup.jobs.store.request_cancel(job)
    record = setup.jobs.store.get(job)
    assert (record.state, record.result, setup.decided) == ("cancelled", {"reference": "mlp@7"}, [])


def test_attempt_with_a_lost_claim_is_killed(setup: RunnerSetup) -> None:
    """The old worker learns of the lost claim from its first request to the broker."""
    runner = setup.runner(STUBBORN, worker="old", job_lease_seconds=1)
    job = setup.jobs.submit(send=False)
    with setup.running(runner, job):
        setup.jobs.until_told(job, "note")
        (pid,) = processes_of(job)
        store = setup.jobs.store
        old = store.get(job)
        assert old.token is not None
        store.interrupt(job, old.token, "somebody thought it dead")
        new = store.claim(job, worker="new", lease_seconds=60)
        assert new is not None
    setup.jobs.until(lambda: group_of(pid) == [])  # killed, and gone as soon as the system gets to it
    assert not store.permit(job, old.token, "checkpoint")
    record = store.get(job)
    assert (record.state, record.worker, record.token) == ("running", "new", new.token)
    assert setup.jobs.kinds(job) == ["submitted", "claimed", "note", "interrupted", "claimed"]


def test_time_limit_reaches_the_child(setup: RunnerSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.jobs.worker.attempt.JOB_SECONDS", 0.5)
    record = setup.run(ENDLESS)
    assert record.state == "failed"
    assert record.error is not None
    assert record.error.type == "TimeLimitError"
    assert "time limit of an attempt" in record.error.message
    assert processes_of(record.id) == []


def test_shutdown_gives_jobs_back_any_number_of_times(setup: RunnerSetup) -> None:
    job = setup.jobs.submit(send=False)
    for attempt in (1, 2, 3):
        runner = setup.runner(ENDLESS)
        with setup.running(runner, job):
            setup.jobs.until_told(job, "stage", attempt)
            runner.stopping.set()
        record = setup.jobs.store.get(job)
        assert (record.state, record.attempt, setup.sent) == ("queued", attempt, [job] * attempt)
    runner.run(job)
    assert setup.jobs.store.get(job).state == "queued"


@pytest.mark.parametrize(
    "child",
    ["os.kill(os.getpid(), signal.SIGTERM)", "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); os.kill(0, 15)"],
)
def test_signal_to_the_process_group_is_no_crash(setup: RunnerSetup, child: str) -> None:
    """As of a service manager, which reaches the process of the job before its worker knows."""
    job = setup.jobs.submit(send=False)
    runner = setup.runner(child)
    for attempt in (1, 2, 3):
        runner.run(job)
        record = setup.jobs.store.get(job)
        assert (record.state, record.attempt, setup.sent) == ("queued", attempt, [job] * attempt)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"job_free_mib": 10**9}, "LowDiskError", "DUET_JOB_FREE_MIB"),
        ({"training_python": "/none"}, "FileNotFoundError", "No such file"),
    ],
)
def test_job_that_cannot_run_fails_with_the_reason(
    setup: RunnerSetup, settings: dict[str, Any], kind: str, message: str
) -> None:
    record = setup.run(ENDLESS, **settings)
    assert record.state == "failed"
    assert record.error is not None
    assert record.error.type == kind
    assert message in record.error.message
    assert processes_of(record.id) == []
    assert "stage" not in setup.jobs.kinds(record.id)


@pytest.mark.parametrize("refusal", [None, CorruptVersionError("its files changed")])
def test_published_version_is_promoted_or_explained(refusal: Exception | None, setup: RunnerSetup) -> None:
    setup.refusal = refusal
    child = 'tell("published", reference="mlp@7", test_accuracy=0.5); tell("result", result={"reference": "mlp@7"})'
    record = setup.run(child)
    assert record.state == "succeeded"
    assert setup.decided == [("mlp@7", "never")]
    if refusal is None:
        assert setup.jobs.kinds(record.id)[-3:] == ["result", "promoted", "finished"]
        assert record.result == {"reference": "mlp@7", "promoted": True}
    else:
        assert record.result == {"reference": "mlp@7", "promoted": False}
        assert setup.notes(record.id) == ["mlp@7 was published but not promoted: its files changed"]


def test_evaluation_promotes_nothing(setup: RunnerSetup) -> None:
    job = setup.jobs.submit(EvaluateParameters(), send=False)
    setup.runner('tell("result", result={"kind": job.kind})').run(job)
    assert setup.jobs.store.get(job).result == {"kind": "evaluate"}
    assert setup.decided == []


def test_job_continues_during_a_broker_outage(mortal_broker: Broker, tmp_path: Path) -> None:
    """The broker is killed during a job and restarted: no event is lost, and pending permits are answered."""
    setup = RunnerSetup(mortal_broker, tmp_path)
    go = tmp_path / "go"
    child = f"""
        tell("note", text="before")
        while not os.path.exists({str(go)!r}):
            time.sleep(0.01)
        for step in range(3000):
            progress(step)
        tell("note", text="meanwhile")
        tell("result", result={{"granted": ask(1)}})
    """
    runner, job = setup.runner(child), setup.jobs.submit(send=False)
    with setup.running(runner, job) as thread:
        setup.jobs.until_told(job, "note")
        mortal_broker.kill()
        go.touch()
        time.sleep(1.5)
        assert thread.is_alive()
        mortal_broker.restart()
    record = setup.jobs.store.get(job)
    assert (record.state, record.attempt, record.result) == ("succeeded", 1, {"granted": True})
    assert setup.notes(job) == ["before", "meanwhile"]
    assert [event.step for event in setup.jobs.events(job) if event.event == "progress"] == [2999]
    setup.jobs.store.client.close()


def test_shutdown_does_not_wait_for_a_lost_broker(mortal_broker: Broker, tmp_path: Path) -> None:
    setup = RunnerSetup(mortal_broker, tmp_path)
    runner, job = setup.runner(ENDLESS), setup.jobs.submit(send=False)
    with setup.running(runner, job) as thread:
        setup.jobs.until_told(job, "stage")
        mortal_broker.kill()
        runner.stopping.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert processes_of(job) == []
    setup.jobs.store.client.close()
