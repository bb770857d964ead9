"""Results of long work, kept as they come, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.files.durable import atomic_replace


class ResumeCache:
    """Named results in a file of JSON lines; the first line says what work they belong to."""

    def __init__(self, path: Path, work: Mapping[str, Any]) -> None:
        """What `path` holds is used if it is of the same `work`, a JSON object, and thrown away otherwise."""
        self._path = path
        self._work = json.loads(json.dumps(work))
        self._results = self._read()

    def get_or_compute(self, name: str, make: Callable[[], Any]) -> Any:
        """The result of this name, made and written down where it is not known; anything that JSON can hold.

        A float comes back bit for bit, a tuple as a list.
        """
        if name not in self._results:
            self._write(name, make())
        return self._results[name]

    def _read(self) -> dict[str, Any]:
        try:
            content = self._path.read_text()
        except FileNotFoundError:
            return {}
        records = []
        for line in content.splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                break  # the last line of a run that was killed while it wrote
        if not records or records[0] != self._work:
            self._path.unlink()
            return {}
        whole = "".join(json.dumps(record) + "\n" for record in records)
        if whole != content:
            # Without what is broken, so that the next line begins on a line of its own.
            atomic_replace(self._path, whole.encode())
        return dict(records[1:])

    def _write(self, name: str, result: Any) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = not self._path.exists()
        with self._path.open("a") as stream:
            if new:
                stream.write(json.dumps(self._work) + "\n")
            line = json.dumps([name, result])
            stream.write(line + "\n")
        self._results[name] = json.loads(line)[1]
