"""Shadow trials through the client."""

from __future__ import annotations

from pathlib import Path

import pytest

from duet import Client, ConflictError, NotFoundError
from tests.support.onnx_models import write_onnx_version
from tests.support.service import service_process, write_home


@pytest.mark.slow
def test_trial_is_started_read_and_ended(tmp_path: Path) -> None:
    write_onnx_version(write_home(tmp_path) / "cnn" / "2", "cnn", 2)
    with (
        service_process(tmp_path, DUET_API_KEYS=f"admin:{'a' * 16}") as service,
        Client(service.url, api_key="a" * 16) as client,
    ):
        with pytest.raises(NotFoundError):
            client.shadow("cnn")
        begun = client.start_shadow("cnn", 2, share=0.2, label_budget=50, margin=0.02, max_days=3, promote=True)
        assert (begun.plan.margin, begun.plan.max_days, begun.plan.promote) == (0.02, 3, True)
        assert client.shadow("cnn").id == begun.id
        with pytest.raises(ConflictError) as running:
            client.start_shadow("cnn", 2, share=0.2, label_budget=50)
        assert running.value.type == "urn:duet:problem:trial-running"
        ended = client.end_shadow("cnn", reason="too slow").end
        assert ended is not None
        assert (ended.reason, ended.note) == ("request", "too slow")
