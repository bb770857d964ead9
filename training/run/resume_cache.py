"""Resume cache: results of a long computation, saved one by one, so that an interrupted command can continue."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.files.durable import atomic_replace


class ResumeCache:
    """Named results in a JSON Lines file. The first line identifies the work.

    Args:
        path: the file. It is deleted if it belongs to other work.
        work: JSON object that identifies the work, such as data, settings and versions.
    """

    def __init__(self, path: Path, work: Mapping[str, Any]) -> None:
        self._path = path
        self._work = json.loads(json.dumps(work))
        self._results = self._read()

    def get_or_compute(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return the cached result `name`, or compute and save it.

        Results must be JSON values. Floats are preserved exactly; a tuple becomes a list.
        """
        if name not in self._results:
            self._write(name, compute())
        return self._results[name]

    def _read(self) -> dict[str, Any]:
        try:
            content = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        records = []
        for line in content.splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                break  # incomplete last line of a process that was killed while writing
        if not records or records[0] != self._work:
            self._path.unlink()
            return {}
        whole = "".join(json.dumps(record) + "\n" for record in records)
        if whole != content:
            # Drop the incomplete line, so that the next one starts on a new line.
            atomic_replace(self._path, whole.encode())
        return dict(records[1:])

    def _write(self, name: str, result: Any) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps([name, result])
        with self._path.open("a", encoding="utf-8") as stream:
            if stream.tell() == 0:
                stream.write(json.dumps(self._work) + "\n")
            stream.write(line + "\n")
        self._results[name] = json.loads(line)[1]
