"""Folders: private files, and a stand-in for a folder that is closed to others."""

import os
import stat

import pytest

from services import paths

is_root = os.geteuid() == 0


def test_write_private_existing_open_file_becomes_0600(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)

    paths.write_private(path, "new")

    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["secret"]


def test_make_open_folder_tight_umask_is_open_all_the_way(tmp_path):
    old = os.umask(0o077)
    try:
        paths.make_open_folder(tmp_path / "a" / "b")
    finally:
        os.umask(old)

    modes = [stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "a").rglob("*")]
    assert modes == [0o755]
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755


def test_open_folder_ordinary_user_is_the_folder_itself(tmp_path):
    assert paths.open_folder(tmp_path, None) == tmp_path


@pytest.mark.skipif(not is_root, reason="only root runs servers as another user")
def test_open_folder_closed_to_the_account_is_below_var_lib(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    found = paths.open_folder(closed / "x", paths.find_account(closed))

    assert found.parent == paths.SYSTEM_FOLDER
    assert len(found.name) == 12


def test_linked_home_of_a_copied_clone_is_ignored(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "state.json").write_text('{"folder": "/elsewhere"}')
    (tmp_path / "instance").symlink_to(tmp_path / "home")

    assert paths.linked_home(tmp_path) is None
