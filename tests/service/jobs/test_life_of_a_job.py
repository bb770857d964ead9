"""Stateful test of the job store: any sequence of operations follows the state diagram in service.jobs.store.store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.errors import DuetError, JobFinishedError, JobNotRetryableError, LostClaimError
from core.jobs.records import FINAL_STATES, JobState
from service.jobs.store.keys import FINISHED, LEASES, QUEUED
from service.jobs.store.records import MAX_LOST_WORKERS
from service.jobs.store.store import JobStore
from tests.support.jobs import notes, run_out, stored, submit

ENDS = st.sampled_from(["succeeded", "failed", "cancelled"])
INDEX = {"queued": QUEUED, "running": LEASES, "cancelling": LEASES}


class Life(RuleBasedStateMachine):
    """State machine of one job and its expected state."""

    store: JobStore
    tokens = Bundle("tokens")

    @initialize(target=tokens)
    def begin(self) -> int:
        self.store.client.flushall()
        self.job_id = submit(self.store).id
        self.state: JobState = "queued"
        self.token: int | None = None
        self.attempt = 0
        self.resumptions = self.lost_workers = 0
        return 0

    @rule(target=tokens)
    def claim(self) -> int:
        claim = self.store.claim(self.job_id, worker="w", lease_seconds=60)
        assert (claim is not None) == (self.state == "queued")
        if claim is None:
            return 0
        assert claim.token > (self.token or 0)
        self.token, self.state, self.attempt = claim.token, "running", self.attempt + 1
        return claim.token

    @rule(token=tokens)
    def renew(self, token: int) -> None:
        standing = {"running": "held", "cancelling": "cancel_requested"}[self.state] if self.holds(token) else "lost"
        assert self.store.renew(self.job_id, token, 60) == standing

    @rule(token=tokens, action=st.sampled_from(["checkpoint", "publish"]))
    def permit(self, token: int, action: str) -> None:
        expected = self.holds(token) and (self.state == "running" or action == "checkpoint")
        assert self.store.permit(self.job_id, token, action) == expected  # type: ignore[arg-type]
        if expected and action == "checkpoint":
            self.lost_workers = 0

    @rule(token=tokens)
    def append(self, token: int) -> None:
        with refused(LostClaimError, unless=self.holds(token)):
            self.store.append(self.job_id, token, notes("x"))

    @rule(token=tokens, end=ENDS)
    def finish(self, token: int, end: JobState) -> None:
        again = token == self.token and self.state == end  # the same script after a lost answer
        with refused(LostClaimError, unless=self.holds(token) or again):
            self.store.finish(self.job_id, token, end)  # type: ignore[arg-type]
            self.state = end

    @rule(token=tokens)
    def interrupt(self, token: int) -> None:
        with refused(LostClaimError, unless=self.holds(token)):
            self.store.interrupt(self.job_id, token, "killed")
            self.interrupted(again=self.resumptions < 1)
            self.resumptions += 1

    @rule()
    def expire(self) -> None:
        assert self.store.expire(self.job_id, "silent") is None

    @precondition(lambda self: self.state in ("running", "cancelling"))
    @rule()
    def run_out_and_expire(self) -> None:
        run_out(self.store, self.job_id)
        assert self.store.expire(self.job_id, "silent") is not None
        self.interrupted(again=self.lost_workers < MAX_LOST_WORKERS)
        self.lost_workers += 1

    @rule()
    def cancel(self) -> None:
        with refused(JobFinishedError, unless=self.state not in FINAL_STATES):
            self.store.request_cancel(self.job_id)
            self.state = "cancelled" if self.state == "queued" else "cancelling"

    @rule()
    def retry(self) -> None:
        with refused(JobNotRetryableError, unless=self.state in ("failed", "cancelled")):
            self.store.retry(self.job_id)
            self.state, self.resumptions, self.lost_workers = "queued", 0, 0

    @invariant()
    def the_record_the_indexes_and_the_events_agree(self) -> None:
        record = self.store.get(self.job_id)
        assert (record.state, record.token, record.attempt) == (self.state, self.token, self.attempt)
        assert (record.finished_at is not None) == (self.state in FINAL_STATES)
        here = [index for index in (QUEUED, LEASES, FINISHED) if self.store.client.zscore(index, self.job_id)]
        assert here == [INDEX.get(self.state, FINISHED)]
        events = stored(self.store, self.job_id)
        attempts = [attempt for attempt, _ in events]
        assert attempts == sorted(attempts)
        assert (events[-1][1] == "finished") == (self.state in FINAL_STATES)

    def holds(self, token: int) -> bool:
        return token == self.token and self.state in ("running", "cancelling")

    def interrupted(self, *, again: bool) -> None:
        if self.state == "cancelling":
            self.state = "cancelled"
        else:
            self.state = "queued" if again else "failed"


@contextmanager
def refused(error: type[DuetError], *, unless: bool) -> Iterator[None]:
    """Assert that the block raises `error` if and only if the operation is not allowed."""
    try:
        yield
    except error:
        assert not unless, "refused, though it is allowed"
    else:
        assert unless, "allowed, though it must be refused"


def test_job_follows_its_state_diagram(store: JobStore) -> None:
    # The machine is made by its class, so the store that it works on has to be the class's.
    machine = type("LifeInStore", (Life,), {"store": store})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
