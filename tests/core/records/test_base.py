from __future__ import annotations

from core.records.base import plain


def test_plain_gives_display_names() -> None:
    named = ("fgsm", "grad_cam", "smoothgrad", "input_x_gradient", "off_centre", "saliency")
    assert [plain(name) for name in named] == [
        "FGSM", "Grad-CAM", "SmoothGrad", "input x gradient", "off centre", "saliency",
    ]  # fmt: skip
