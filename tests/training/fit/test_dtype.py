import pytest
import torch

from training.fit import dtype
from training.fit.dtype import pick_dtype

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        (("avx2", "avx512f", "avx512_bf16", "amx_bf16"), "bfloat16"),
        (("avx2", "avx512_bf16"), "bfloat16"),
        (("avx2", "avx512f", "avx512_vnni"), "float32"),
        ((), "float32"),
    ],
)
def test_dtype_depends_on_the_processor_only(
    extensions: tuple[str, ...], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dtype, "cpu_extensions", lambda: extensions)
    assert pick_dtype(CPU) == expected


def test_device_that_emulates_bfloat16_uses_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for supported, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, s=supported: s)
        assert pick_dtype(torch.device("cuda")) == expected
