from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

import pytest

from core.errors import ConfigurationError
from service.broker.address import embedded_url, ensure_private, socket_path


def test_socket_is_beside_the_data_if_the_path_is_short() -> None:
    assert socket_path(Path("/srv/duet")) == Path("/srv/duet/broker/broker.sock")
    assert embedded_url(Path("/srv/duet")) == "unix:///srv/duet/broker/broker.sock"


@pytest.mark.parametrize("name", ["x" * 90, "é" * 45])
def test_long_socket_path_is_replaced_by_one_per_home(name: str) -> None:
    home = Path("/srv") / name
    found = socket_path(home)
    assert len(os.fsencode(found)) <= 100
    assert not found.is_relative_to(home)
    assert socket_path(home) == found
    assert socket_path(home / "other") != found


def test_socket_path_limit_holds_on_every_system() -> None:
    home = Path("/" + "x" * (100 - len("//broker/broker.sock")))
    assert socket_path(home) == home / "broker" / "broker.sock"
    longer = Path(f"{home}x")
    assert not socket_path(longer).is_relative_to(longer)


def test_special_characters_are_encoded_in_the_url() -> None:
    url = embedded_url(Path("/a b/100%?db=1#c"))
    assert not set("? #") & set(url)
    assert unquote(url) == "unix:///a b/100%?db=1#c/broker/broker.sock"


def test_ensure_private_creates_a_private_folder(tmp_path: Path) -> None:
    ensure_private(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    ensure_private(tmp_path / "new")


def test_ensure_private_refuses_a_shared_folder(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o750)
    with pytest.raises(ConfigurationError, match="only you can enter"):
        ensure_private(folder)


def test_ensure_private_refuses_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(ConfigurationError, match="only you can enter"):
        ensure_private(tmp_path / "link")


def test_ensure_private_without_permission_gives_advice(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="point DUET_HOME at a folder that you can write to"):
        ensure_private(tmp_path / "file" / "below")
