"""Collector of live figures: reads new records and labels, updates the tests, and stores figures, alarms and state.

It runs in a process of its own, see `service.live.collector_process`; the API processes read the figures.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from core.files.durable import atomic_replace
from core.repository.repository import ModelRepository
from core.schemas.live import LiveFigures
from service.labels.index_files import IndexWriter
from service.labels.observations import Observation, ObservationReader
from service.live.alarms import AlarmLog
from service.live.drift import DriftTests
from service.live.figures import disagreements, model_figures
from service.live.label_free import LabelFreeEstimates
from service.live.labelled import LabelledAnswers, labelled_answers
from service.live.reference import read_reference
from service.live.rows import ModelKey, TrafficRow
from service.live.state import LiveState, load_state, save_state
from service.traffic.deletion import Deletions, Hidden
from service.traffic.reader import TrafficReader
from service.traffic.record import CapturedRequest, traffic_folder
from service.traffic.segments import FOLDER_MODE

WINDOW_IMAGES = 2_000
"""Number of recent images for shares and means."""
READ_RECORDS = 128
"""Number of records between two pauses."""
PAUSE_PER_SECOND = 4.0
"""Length of a pause, relative to the work before it: reading a long history takes a fifth of one core. The low priority
of the process alone would not limit it in a container whose CPU time has a quota."""


def live_folder(home: Path) -> Path:
    """Folder of the stored figures and state; it may not exist."""
    return traffic_folder(home) / "live"


def figures_path(home: Path) -> Path:
    """File of the stored figures."""
    return live_folder(home) / "figures.json"


class Collector:
    """Collects the figures of a home. Only one may exist for a home at a time; use it in one thread."""

    def __init__(self, home: Path, repository: ModelRepository, reports: Sequence[Path]) -> None:
        """Continue from the stored state.

        Args:
            home: the home of the service.
            repository: for the holdout references.
            reports: folders of records, in order of precedence.

        Raises:
            OSError: a file cannot be read.
        """
        self._home = home
        self._reader = TrafficReader(home)
        self._observation_reader = ObservationReader(home)
        self._deletions = Deletions(home)
        self._alarms = AlarmLog(home)
        state = load_state(self._state_path)
        self._seen = dict(state.position)
        self._reference_of = cache(lambda key: read_reference(repository, key))
        self._index = IndexWriter(home)
        self._drift = DriftTests(self._reference_of, state.drift)
        self._label_free = LabelFreeEstimates(repository, reports)
        self._window: deque[TrafficRow] = deque(maxlen=WINDOW_IMAGES)
        self._observed: Sequence[Observation] = ()
        self._labelled: Mapping[ModelKey, LabelledAnswers] = {}
        self._hidden = Hidden()
        self._changed = True
        self._figures: LiveFigures | None = None

    def collect(self) -> LiveFigures:
        """Read what is new, and return the figures; they are stored if they changed.

        Raises:
            OSError: a file cannot be read or written; the next call tries again.
        """
        self._read_records()
        self._read_labels()
        self._apply_deletions()
        if self._figures is not None and not self._changed:
            return self._figures
        models = model_figures(list(self._window), self._drift, self._reference_of, self._labelled, self._label_free)
        self._alarms.raise_new(models)
        times = [row.time for row in self._window]
        figures = LiveFigures(
            capturing=False,  # replaced by each API process
            updated=datetime.now(UTC),
            window=WINDOW_IMAGES,
            images=len(self._window),
            since=datetime.fromtimestamp(min(times), UTC) if times else None,
            until=datetime.fromtimestamp(max(times), UTC) if times else None,
            models=models,
            disagreements=disagreements(self._window),
            alarms=tuple(reversed(self._alarms.alarms)),
        )
        live_folder(self._home).mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        save_state(
            self._state_path,
            LiveState(
                position=self._seen,
                drift={key: dict(states) for key, states in self._drift.states.items()},
            ),
        )
        atomic_replace(figures_path(self._home), figures.model_dump_json().encode())
        self._figures, self._changed = figures, False
        return figures

    @property
    def _state_path(self) -> Path:
        return live_folder(self._home) / "state.json"

    def _read_records(self) -> None:
        """Read the records since the last call; those that the drift tests have not seen are passed on to them."""
        began = time.monotonic()
        while records := self._reader.read_new(limit=READ_RECORDS):
            self._changed = True
            self._index.add(records)
            chosen = [record for record in records if record.origin == "capture"]
            self._window.extend(map(TrafficRow.of, chosen))
            self._drift.observe([TrafficRow.of(each) for each in chosen if self._is_new(each)])
            for segment, offset in self._reader.position.items():
                self._seen[segment] = max(offset, self._seen.get(segment, 0))
            time.sleep(PAUSE_PER_SECOND * (time.monotonic() - began))
            began = time.monotonic()
        segments = self._reader.position.keys()  # without those that the quota removed
        self._seen = {segment: offset for segment, offset in self._seen.items() if segment in segments}

    def _is_new(self, record: CapturedRequest) -> bool:
        location = record.location
        return location is not None and location.offset >= self._seen.get(location.segment, 0)

    def _read_labels(self) -> None:
        observed = self._observation_reader.read()
        if observed is not self._observed:
            self._changed = True
            self._observed, self._labelled = observed, labelled_answers(observed)

    def _apply_deletions(self) -> None:
        hidden = self._deletions.current()
        if hidden is self._hidden:
            return
        self._hidden = hidden
        rows = [row for row in self._window if not hidden.hides(row.request_id, row.time)]
        if len(rows) < len(self._window):
            self._changed = True
            self._window = deque(rows, maxlen=WINDOW_IMAGES)
