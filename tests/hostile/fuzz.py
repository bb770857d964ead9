"""Fuzzer of the HTTP interface: mutated images, forms, tensors, archives and heads against a running service.

`python -m tests.hostile.fuzz --seconds 3600` runs it for an hour. Hypothesis generates and shrinks the requests.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import tempfile
import time
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import hypothesis
import typer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.hostile.image_files import saved
from tests.support.onnx_models import gray_png
from tests.support.service import ServiceProcess, service_process, write_home
from tests.support.wire import FORM, answer_on, form, head, request

API_KEY = "the-key-of-the-fuzzer"
DEADLINE_SECONDS = 5.0
MAX_ANSWER_SECONDS = 3 * DEADLINE_SECONDS
MAX_GROWTH_MB = 250.0
"""Growth of resident memory over the whole run; one upload may take 150 MB for a moment."""
_EXAMPLES = 200

Edit = tuple[int, str, bytes]

_SMALL = Image.new("RGB", (8, 8), (10, 200, 30))
IMAGES = (
    gray_png(9),
    saved(_SMALL, "PNG"),
    saved(_SMALL, "JPEG"),
    saved(_SMALL, "JPEG", progressive=True),
    saved(_SMALL, "WEBP"),
    saved(_SMALL, "WEBP", lossless=True),
    saved(_SMALL.convert("P"), "GIF"),
    saved(_SMALL, "BMP"),
    saved(_SMALL, "TIFF"),
    saved(_SMALL, "TIFF", compression="tiff_lzw"),
    saved(_SMALL, "TIFF", compression="jpeg"),
)
_TENSOR = {"name": "images", "datatype": "UINT8", "shape": [1, 8, 8, 3], "data": [0] * 192}
TENSORS = (
    json.dumps({"inputs": [_TENSOR]}).encode(),
    json.dumps({"id": "a", "inputs": [_TENSOR], "outputs": [{"name": "label"}], "parameters": {"timeout": 1}}).encode(),
)
HEADS = (
    head("Content-Length: 0"),
    head("Transfer-Encoding: chunked", "Content-Type: image/png", "Expect: 100-continue"),
    head("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP", "Content-Length: 0"),
    b"GET /readyz HTTP/1.1\r\nHost: duet\r\nAccept: */*\r\n\r\n",
    b'GET /models/cnn/1?x=1 HTTP/1.1\r\nHost: duet\r\nIf-None-Match: "a"\r\nRange: bytes=0-1\r\n\r\n',
    b"HEAD /metrics HTTP/1.0\r\n\r\n",
    b"GET http://duet:80/models?x=1 HTTP/1.1\r\nHost: duet\r\n\r\n",
)


def archive() -> bytes:
    """A zip of two classes with two images each."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
            file.writestr(name, gray_png(len(name) * ord(name[0]) % 256))
    return buffer.getvalue()


def mutated(*files: bytes) -> st.SearchStrategy[bytes]:
    """One of these files after up to eight edits."""
    numbers = st.sampled_from([b"\0", b"\xff", b"\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\x80"])
    edit = st.tuples(
        st.integers(0, 4095),
        st.sampled_from(["overwrite", "insert", "delete", "repeat"]),
        numbers | st.binary(max_size=8),
    )
    return st.builds(_edited, st.sampled_from(files), st.lists(edit, max_size=8))


def _edited(content: bytes, edits: list[Edit]) -> bytes:
    for position, kind, data in edits:
        at = position % (len(content) + 1)
        if kind == "overwrite":
            content = content[:at] + data + content[at + len(data) :]
        elif kind == "insert":
            content = content[:at] + data + content[at:]
        elif kind == "delete":
            content = content[:at] + content[at + len(data) :]
        else:
            content = content[:at] + content[max(0, at - 16) : at] * (1 + len(data)) + content[at:]
    return content


def messages() -> st.SearchStrategy[bytes]:
    """Complete requests, as bytes for a socket."""
    paths = st.sampled_from(["/predict", "/predict?tta=true", "/compare", "/saliency?method=occlusion", "/view"])
    images = st.builds(lambda body, path: request(body, path=path), mutated(*IMAGES), paths)
    forms = st.builds(
        lambda body: request(body, content_type=FORM), mutated(form([IMAGES[0]]), form([IMAGES[1], IMAGES[2]]))
    )
    tensors = st.builds(
        lambda body, length: request(
            body,
            *([] if length is None else [f"Inference-Header-Content-Length: {length}"]),
            path="/v2/models/cnn/infer",
            content_type="application/json",
        ),
        mutated(*TENSORS),
        st.none() | st.integers(-1, 400),
    )
    uploads = st.builds(
        lambda body: request(
            body, f"X-API-Key: {API_KEY}", path="/datasets/fuzz", content_type="application/zip"
        ).replace(b"POST", b"PUT", 1),
        mutated(archive()),
    )
    return st.one_of(images, images, forms, tensors, uploads, mutated(*HEADS))


def exchange(service: ServiceProcess, message: bytes) -> int | None:
    """Send a request, and return the status of its response; None if the server closed the connection instead.

    Raises:
        TimeoutError: there was no response in time.
    """
    with socket.create_connection(service.address, timeout=MAX_ANSWER_SECONDS) as connection:
        try:
            connection.sendall(message)
            connection.shutdown(socket.SHUT_WR)
            return answer_on(connection).status
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException):
            return None


def attack(service: ServiceProcess, seconds: float, seed: int) -> int:
    """Send requests for `seconds`, and return their number. Hypothesis shrinks a request that fails.

    Raises:
        AssertionError: a response was a 5xx other than 503 and 504, or the service died or grew too much.
        TimeoutError: there was no response in time.
    """
    sent = 0

    def check(message: bytes) -> None:
        nonlocal sent
        sent += 1
        status = exchange(service, message)
        assert status is None or status < 500 or status in (503, 504), (status, message)
        assert service.process.poll() is None, message

    end, fresh = time.monotonic() + seconds, resident_mb(service)
    while time.monotonic() < end:
        run = settings(
            max_examples=_EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )(hypothesis.seed(seed)(given(messages())(check)))
        run()
        seed += 1
    growth = resident_mb(service) - fresh
    assert growth <= MAX_GROWTH_MB, f"resident memory grew by {growth:.0f} MB"
    return sent


def resident_mb(service: ServiceProcess) -> float:
    """Resident memory of the service, in MB."""
    status = Path(f"/proc/{service.process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 / 1e6 for line in status.splitlines() if line.startswith("VmRSS:"))


def main(
    seconds: Annotated[float, typer.Option(min=1, help="Length of the run.")] = 60,
    seed: Annotated[int, typer.Option(help="First seed.")] = 0,
) -> None:
    """Fuzz a service with small models; exit with a traceback at the first fault."""
    with tempfile.TemporaryDirectory(prefix="duet-fuzz-") as folder:
        home = Path(folder)
        write_home(home)
        with fuzzed_service(home) as service:
            print(f"{attack(service, seconds, seed):,} requests without a fault")


def fuzzed_service(home: Path) -> AbstractContextManager[ServiceProcess]:
    """Service over `home` with short deadlines."""
    return service_process(
        home,
        DUET_LOG_LEVEL="error",
        DUET_DEADLINE_SECONDS=str(DEADLINE_SECONDS),
        DUET_API_KEYS=f"admin:{API_KEY}",
    )


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
