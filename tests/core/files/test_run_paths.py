from pathlib import Path

import pytest

from core.files.run_paths import named_run


def test_named_run_refuses_names_that_leave_the_folder(tmp_path: Path) -> None:
    assert named_run(tmp_path, "cnn-1.a") == tmp_path / "runs" / "cnn-1.a"
    for name in ("..", "a/b", "", ".hidden", "x" * 200):
        with pytest.raises(Exception, match="is not a valid run name"):
            named_run(tmp_path, name)
