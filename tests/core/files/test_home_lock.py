from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.files.home_lock import RESTORING_NAME, claim_home, use_home


def test_services_share_a_home_and_exclude_a_restore(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with (
        use_home(home),
        use_home(home),
        pytest.raises(ConfigurationError, match="a service, a worker or another restore uses"),
        claim_home(home),
    ):
        pytest.fail("the home was claimed")
    with claim_home(home):
        with pytest.raises(ConfigurationError, match="is being restored into"), use_home(home):
            pytest.fail("a service started")
        with pytest.raises(ConfigurationError, match="another restore uses"), claim_home(home):
            pytest.fail("the home was claimed twice")
    with use_home(home):
        pass


def test_interrupted_restore_keeps_services_away(tmp_path: Path) -> None:
    (tmp_path / RESTORING_NAME).mkdir()
    with pytest.raises(ConfigurationError, match="was interrupted: remove everything"), use_home(tmp_path):
        pytest.fail("a service started")


def test_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot create the state folder"), claim_home(tmp_path / "file" / "x"):
        pytest.fail("the home was claimed")
