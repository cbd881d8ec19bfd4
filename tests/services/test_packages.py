"""Fetching packages: what apt is told, and errors where it cannot work."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services import packages, paths
from services.apt_sources import Source
from services.errors import UnsupportedMachineError


def test_sources_text_takes_mirror_and_keyring_of_the_machine():
    mirror = Source("http://mirror.example/debian", "bookworm", ("main",), "/k.gpg")

    assert packages.sources_text(mirror) == (
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\n"
        "Components: main\nSigned-By: /k.gpg\n"
    )


def test_config_text_keeps_all_state_in_the_private_folder():
    lines = packages.config_text(Path("/x/apt")).splitlines()

    assert 'Dir::State::status "/x/apt/status";' in lines
    assert 'Dir::Cache::archives "/x/apt/archives";' in lines
    assert 'APT::Sandbox::User "";' in lines
    assert 'Dir::Etc::sourceparts "-";' in lines


@pytest.mark.parametrize(
    ("name", "is_needed"),
    [
        ("postgresql-17_17.11-0+deb13u1_amd64.deb", True),
        ("postgresql-17-timescaledb_2.19.3+dfsg-1_amd64.deb", True),
        ("libperl5.40_5.40.1-6_amd64.deb", False),
        ("libllvm19_1%3a19.1.7-3+b1_amd64.deb", False),
        ("libipc-run-perl_20231003.0-2_all.deb", False),
        ("openssl_3.5.7-1_amd64.deb", False),
        ("libssl3t64_3.5.7-1_amd64.deb", True),
        ("libc6_2.41-12_amd64.deb", True),
    ],
)
def test_not_needed_package_names_are_told_apart(name, is_needed):
    assert (packages.NOT_NEEDED.match(name) is None) == is_needed


def test_ensure_packages_without_apt_names_what_is_missing_and_alternatives(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnsupportedMachineError) as caught:
        packages.ensure_packages(tmp_path / "cache")

    assert "found no apt-get and no dpkg" in str(caught.value)
    assert "docker compose up" in str(caught.value)
    assert "DATABASE_URL" in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_ensure_packages_unpacked_before_fetches_nothing(tmp_path, monkeypatch):
    root = tmp_path / "root"
    (tmp_path / "stamp.json").write_text(json.dumps({"root": str(root)}))
    monkeypatch.setenv("PATH", "/nonexistent")

    assert packages.ensure_packages(tmp_path) == root


def test_check_disk_full_says_expected_and_found(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "NEEDED_FREE_BYTES", 10**18)

    with pytest.raises(UnsupportedMachineError) as caught:
        packages.check_disk(tmp_path)

    assert str(caught.value).startswith("expected 1000000000000 MB free for")


def test_find_mirrors_hosts_of_this_machine_are_nowhere_in_the_code():
    try:
        mirrors = packages.find_mirrors()
    except UnsupportedMachineError:  # no Debian: nothing that could leak in
        mirrors = []
    hosts = {urlsplit(mirror.uri).hostname for mirror in mirrors} - {None}
    folders = [paths.REPOSITORY / "services", paths.REPOSITORY / "tests" / "services"]

    named = [
        path
        for folder in folders
        for path in folder.glob("*.py")
        if any(host in path.read_text() for host in hosts)
    ]

    assert named == []
