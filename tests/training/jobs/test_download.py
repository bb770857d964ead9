"""Download job, in a real job process on a local server."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.images.cifar_files import FOLDER_NAME, download_folder, file_problems
from core.jobs.child import ExitStatus
from core.jobs.events import Failed, Note, Progress, ReportedEvent, Result, Stage
from tests.support.cifar_server import PublishedCifar, published_cifar
from tests.support.job_children import child_doing
from tests.support.job_workers import job_process


def run(tmp_path: Path, served: PublishedCifar) -> tuple[int, list[ReportedEvent]]:
    """Run the job to its end; returns its exit status and its events."""
    script = child_doing(
        tmp_path / "python",
        f"""
        from training.data.download import Archive
        from training.jobs.download import download
        from core.files.home import duet_home

        def run(job, channel):
            assert job.kind == "download" and "torch" not in sys.modules
            archive = Archive({served.archive.url!r}, {served.archive.md5!r}, {served.archive.bytes},
                              {served.archive.unpacked_bytes}, {served.archive.files!r})
            download(duet_home(), channel, archive=archive)
            assert "torch" not in sys.modules
        """,
    )
    environment = {"no_proxy": "127.0.0.1"}
    with job_process(script, "1", "download", '{"data": "cifar10"}', tmp_path / "home", environment) as worker:
        status = worker.until_end()
    return status, [event for event in worker.received if isinstance(event, ReportedEvent)]


@pytest.mark.parametrize("cut", [False, True])
def test_job_downloads_and_reports_bytes(tmp_path: Path, cut: bool) -> None:
    with published_cifar(tmp_path / "published") as served:
        served.cut_after[:] = [1000] if cut else []
        status, events = run(tmp_path, served)
        assert status == ExitStatus.DONE, events
    assert events[0] == Stage(name="download CIFAR-10")
    assert events[-1] == Result(result={"data": "cifar10"})
    steps = [(event.step, event.steps) for event in events if isinstance(event, Progress)]
    assert steps[-1] == (served.archive.bytes, served.archive.bytes)
    assert len(set(steps)) == len(steps)
    assert any("connection was lost" in event.text for event in events if isinstance(event, Note)) == cut
    assert file_problems(download_folder(tmp_path / "home") / FOLDER_NAME, served.files) == []


def test_download_failure_gives_advice(tmp_path: Path) -> None:
    with published_cifar(tmp_path / "published") as served:
        served.path.unlink()
        status, events = run(tmp_path, served)
    assert status == ExitStatus.FAILED
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert failed.error == "DataError"
    assert "HTTP Error 404" in failed.message
    assert "set --data-dir or DUET_DATA_DIR" in failed.message
