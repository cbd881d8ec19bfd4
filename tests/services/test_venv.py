"""The virtual environment, filled from a wheel that the test makes; no network."""

import base64
import hashlib
import json
import os
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from services import venv
from services.errors import UnsafePathError, VenvFailedError

NO_ENSUREPIP = '*without-pip*) ;; "-m venv"*'
WHEEL = "tiny-{0}-py3-none-any.whl"


def make_wheel(folder: Path, version: str) -> str:
    """Make a wheel of a package `tiny` and return its line for a lock file."""
    folder.mkdir(exist_ok=True)
    info = f"tiny-{version}.dist-info"
    tags = (
        "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files = {
        "tiny.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": tags,
    }
    record = "".join(
        f"{name},sha256={urlsafe_sha256(text)},{len(text)}\n"
        for name, text in files.items()
    )
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    path = folder / WHEEL.format(version)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"tiny=={version} --hash=sha256:{digest}\n"


def urlsafe_sha256(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with a lock file; pip sees the test's wheels only."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    line = make_wheel(tmp_path / "wheels", "1.0")
    (tmp_path / venv.LOCK).write_text(line)
    (tmp_path / venv.DEV_LOCK).write_text(line)
    return tmp_path


@pytest.fixture
def quick(repository, monkeypatch):
    """Spare ensurepip, 3 s for each environment, where the base has a pip itself."""
    asked = venv.run([*venv.other_pips(sys.executable)[0], "--version"])
    if asked.returncode == 0:
        python = write_python(repository, NO_ENSUREPIP)
        monkeypatch.setattr(venv, "base_python", lambda: python)


def installed_version(repository: Path) -> str:
    python = repository / ".venv" / "bin" / "python"
    return venv.run([python, "-c", "import tiny; print(tiny.VERSION)"]).stdout.strip()


def write_python(folder: Path, refused: str) -> str:
    """Make a Python that fails for some arguments; a pattern of the shell's case."""
    script = folder / "python-with-less"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in {refused}) exit 1 ;; esac\n'
        f'exec {venv.base_python()} "$@"\n'
    )
    script.chmod(0o755)
    return str(script)


def test_ensure_venv_first_call_installs_and_second_is_quick(repository):
    assert venv.ensure_venv(repository=repository) is True
    assert installed_version(repository) == "1.0"

    begin_s, children = time.process_time(), os.times().children_user
    assert venv.ensure_venv(repository=repository) is False
    assert time.process_time() - begin_s < 0.2
    assert os.times().children_user == children  # it has started nothing


@pytest.mark.usefixtures("quick")
def test_ensure_venv_changed_lock_installs_in_place(repository):
    venv.ensure_venv(repository=repository)
    mark = repository / ".venv" / "mark"
    mark.touch()
    (repository / venv.LOCK).write_text(make_wheel(repository / "wheels", "2.0"))

    assert venv.ensure_venv(repository=repository) is True
    assert installed_version(repository) == "2.0"
    assert mark.exists()


@pytest.mark.usefixtures("quick")
def test_ensure_venv_interrupted_install_is_made_anew(repository):
    folder = repository / ".venv"
    venv.ensure_venv(repository=repository)
    (folder / venv.STAMP).unlink()  # written last, so an interrupted one has none
    next(folder.glob("lib/*/site-packages/tiny.py")).unlink()

    assert venv.ensure_venv(repository=repository) is True
    assert installed_version(repository) == "1.0"


@pytest.mark.usefixtures("quick")
def test_ensure_venv_other_python_makes_it_anew(repository):
    folder = repository / ".venv"
    folder.mkdir()
    (folder / "pyvenv.cfg").touch()
    stamp = {"python": "2.7", venv.LOCK: venv.digest(repository / venv.LOCK)}
    (folder / venv.STAMP).write_text(json.dumps(stamp))

    assert venv.ensure_venv(repository=repository) is True
    assert installed_version(repository) == "1.0"


@pytest.mark.usefixtures("quick")
def test_ensure_venv_dev_covers_the_runtime_lock(repository):
    assert venv.ensure_venv(dev=True, repository=repository) is True

    assert venv.ensure_venv(repository=repository) is False
    assert venv.ensure_venv(dev=True, repository=repository) is False


@pytest.mark.usefixtures("quick")
def test_ensure_venv_wrong_hash_fails_and_next_call_repairs(repository):
    right = (repository / venv.LOCK).read_text()
    (repository / venv.LOCK).write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n")

    with pytest.raises(VenvFailedError, match="DO NOT MATCH THE HASHES"):
        venv.ensure_venv(repository=repository)

    (repository / venv.LOCK).write_text(right)
    assert venv.ensure_venv(repository=repository) is True
    assert installed_version(repository) == "1.0"


@pytest.mark.usefixtures("quick")
def test_ensure_venv_two_at_once_install_once(repository):
    results: list[bool] = []

    def call() -> None:
        results.append(venv.ensure_venv(repository=repository))

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == [False, True]


def test_ensure_venv_without_ensurepip_uses_another_pip(repository, monkeypatch):
    python = write_python(repository, NO_ENSUREPIP)
    monkeypatch.setattr(venv, "base_python", lambda: python)

    assert venv.ensure_venv(repository=repository) is True
    assert installed_version(repository) == "1.0"


def test_ensure_venv_without_any_pip_names_the_debian_package(repository, monkeypatch):
    refused = '*without-pip*) ;; "-m venv"*|"-m pip"*|"-m virtualenv"*'
    python = write_python(repository, refused)
    monkeypatch.setattr(venv, "base_python", lambda: python)
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(VenvFailedError) as caught:
        venv.ensure_venv(repository=repository)

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert str(caught.value).endswith(f"on Debian: apt install python{version}-venv")


def test_ensure_venv_folder_with_other_files_is_refused(repository):
    precious = repository / ".venv" / "precious.txt"
    precious.parent.mkdir()
    precious.touch()

    with pytest.raises(UnsafePathError, match="found other files"):
        venv.ensure_venv(repository=repository)

    assert precious.exists()


def test_ensure_venv_without_lock_file_names_it(tmp_path):
    with pytest.raises(VenvFailedError) as caught:
        venv.ensure_venv(dev=True, repository=tmp_path)

    lock = tmp_path / "requirements-dev.lock"
    assert str(caught.value) == f"expected a lock file {lock}, found none"
