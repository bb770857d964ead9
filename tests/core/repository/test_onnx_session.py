from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.repository import onnx_session
from core.repository.manifest import Precision
from core.repository.onnx_session import (
    ProviderMissingError,
    find_provider,
    find_providers,
    installed_providers,
    open_session,
)
from tests.support.onnx_models import expected_logits, write_onnx_version
from tests.support.providers import needs_openvino


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Clear the cached providers before and after the test."""
    onnx_session._find.cache_clear()
    yield
    onnx_session._find.cache_clear()


def test_cpu_is_always_installed_and_has_no_bf16() -> None:
    assert installed_providers()[0] == find_provider("cpu")
    assert find_provider("cpu").precisions == {"fp32", "int8"}
    assert find_providers(["cpu"]) == (find_provider("cpu"),)


def test_missing_provider_is_named_with_its_package(forgotten: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_session, "_OPENVINO_PACKAGE", "no-such-plugin")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ProviderMissingError, match=r"openvino is not available .*no-such-plugin is not .*extra"):
        find_providers(["cpu", "openvino"])
    with pytest.raises(ProviderMissingError, match=r"cuda is not available .*onnxruntime-gpu"):
        find_provider("cuda")
    assert [provider.name for provider in installed_providers()] == ["cpu"]


def test_plugin_without_a_device_names_the_supported_cpus(forgotten: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_session, "_OPENVINO_PACKAGE", "onnxruntime")
    monkeypatch.setattr(onnx_session, "_register_openvino", lambda _plugin: None)
    with pytest.raises(ProviderMissingError, match=r"openvino is not available .*CPUs of Intel only"):
        find_provider("openvino")


@needs_openvino
def test_onnxruntime_without_plugins_is_named(forgotten: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("onnxruntime.register_execution_provider_library")
    with pytest.raises(ProviderMissingError, match=r"has no plugins, it needs version 1\.31"):
        find_provider("openvino")


@needs_openvino
@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_openvino_runs_each_precision(precision: Precision, tmp_path: Path) -> None:
    if precision not in find_provider("openvino").precisions:
        pytest.skip("this CPU does not compute in bf16")
    write_onnx_version(tmp_path / "cnn" / "1", "cnn", 1, int8=True)
    name = "model.int8.onnx" if precision == "int8" else "model.onnx"
    session = open_session(
        tmp_path / "cnn" / "1" / name, threads=1, provider="openvino", precision=precision, parallel_runs=2
    )
    assert "OpenVINOExecutionProvider" in session.get_providers()
    images_NHWC = np.full((3, 8, 8, 3), 96, np.uint8)
    logits_NK = session.run(["logits"], {"images": images_NHWC})[0]
    expected_K = expected_logits(96, "int8" if precision == "int8" else "fp32")
    np.testing.assert_allclose(logits_NK, np.tile(expected_K, (3, 1)), atol=0.3 if precision == "bf16" else 1e-3)
