"""Client threads that keep a service process busy, each with a keep-alive connection."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.onnx_models import CLASSES, brightness_of, gray_png


class Caller(threading.Thread):
    """Requests predictions one after the other until `stop`, or until the service closes the connection.

    Attributes:
        answered: number of correct responses.
        failure: the error that ended the requests, if any.
        was_closed: whether the service announced `connection: close`.
    """

    def __init__(self, address: tuple[str, int], number: int) -> None:
        super().__init__(name=f"caller-{number}", daemon=True)
        self.answered = 0
        self.failure: str | None = None
        self.was_closed = False
        self._address = address
        self._label = CLASSES[number % len(CLASSES)]
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Stop after the current call."""
        self._stopping.set()

    def run(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=60)
        try:
            while not (self._stopping.is_set() or self.was_closed):
                self._call(connection)
        except (OSError, http.client.HTTPException, AssertionError, ValueError) as error:
            self.failure = f"after {self.answered} answers: {type(error).__name__}: {error}"
        finally:
            connection.close()

    def _call(self, connection: http.client.HTTPConnection) -> None:
        image = gray_png(brightness_of(self._label))
        connection.request("POST", "/predict?top_k=1", image, {"Content-Type": "image/png"})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        assert json.loads(body)["predictions"][0]["label"] == self._label
        self.was_closed = answer.getheader("connection") == "close"
        self.answered += 1


@contextmanager
def calling(address: tuple[str, int], callers: int) -> Iterator[list[Caller]]:
    """Run the given number of callers in parallel until the block ends."""
    crowd = [Caller(address, number) for number in range(callers)]
    for caller in crowd:
        caller.start()
    try:
        yield crowd
    finally:
        for caller in crowd:
            caller.stop()
        for caller in crowd:
            caller.join(60)
            assert not caller.is_alive()
